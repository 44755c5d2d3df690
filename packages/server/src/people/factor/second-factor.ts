import type { Hono } from 'hono'
import { findPerson, type Person } from '../account/person.ts'
import type { Form } from '../form.ts'
import { refuseForm } from '../pages/account.ts'
import { type Words, wordsFor } from '../pages/languages.ts'
import { toResponse } from '../pages/layout.ts'
import {
  recoveryCodesPage,
  type SecondFactorFault,
  secondFactorPage,
  setUpPage,
} from '../pages/second-factor.ts'
import type { Ask, Env, SignInParts } from '../sign-in/parts.ts'
import type { Try } from '../sign-in/sign-in-limit.ts'
import { type Onward, openTicket, sealTicket } from '../sign-in/ticket.ts'
import type { SetUp } from './factor-setup.ts'
import { listFactors } from './factors.ts'
import type { Method, Proof } from './proof.ts'
import { takeTotp } from './totp.ts'

/** The step between a first proof and a session: one factor more, or setting one up where the organization wants one. */
export interface SecondFactor {
  /** Whether this proof has to be followed by another one. */
  isNeeded(person: Person, proof: Proof): Promise<boolean>
  /** The page for it; what was proved so far travels sealed in its form. */
  ask(words: Words, person: Person, proof: Proof, onward: Onward): Promise<Response>
}

/** Goes on with somebody who has shown everything. */
type Admit = (c: Ask, person: Person, proof: Proof, onward: Onward) => Promise<Response>

export function createSecondFactor(parts: SignInParts): SecondFactor {
  const { store, now } = parts
  return {
    async isNeeded(person, proof) {
      if (proof.secondFactor) return false
      if (person.policy.secondFactor === 'required') return true
      return (await listFactors(store.db, person.id)).length > 0
    },
    ask(words, person, proof, onward) {
      const ticket = sealTicket(store.secrets, person, proof, onward, now())
      return showStep(parts, words, person, { ticket, leadsTo: onward.leadsTo })
    },
  }
}

async function showStep(
  parts: SignInParts,
  words: Words,
  person: Person,
  step: { ticket: string; leadsTo?: string | undefined; fault?: SecondFactorFault; form?: Form },
): Promise<Response> {
  const { base, store, passkeys, setup } = parts
  const { ticket, leadsTo, fault, form } = step
  const factors = await listFactors(store.db, person.id)
  const shown = { words, action: `${base}/sign-in/second-factor`, ticket, person, leadsTo, fault, base }
  if (factors.length > 0) {
    const hasPasskey = factors.some(({ kind }) => kind === 'passkey')
    const passkey = hasPasskey ? await passkeys?.ask(`second:${person.id}`, person.id) : undefined
    const hasApp = factors.some(({ kind }) => kind === 'totp')
    return toResponse(secondFactorPage({ ...shown, passkey, hasApp }))
  }
  const offer = (form && setup.readOffer(person, form)) ?? setup.offerApp(person)
  return toResponse(await setUpPage({ ...shown, offer, passkey: await passkeys?.askNew(person) }))
}

export function addSecondFactor(app: Hono<Env>, parts: SignInParts, admit: Admit): void {
  const { store, now, limit } = parts
  app.post('/sign-in/second-factor', async c => {
    const form = await parts.readForm(c)
    const ticket = form && openTicket(store.secrets, form.one('ticket'), now())
    const person = ticket && (await findPerson(store.db, ticket.person))
    // A new password, a suspension or a factor set up elsewhere since: begin again.
    if (!form || !ticket || !person || person.epoch !== ticket.epoch) return refuseForm(c)
    const words = wordsFor(c.req.header('accept-language'))
    const shown = { ticket: form.one('ticket'), leadsTo: ticket.leadsTo, form }
    const again = (fault: SecondFactorFault) => showStep(parts, words, person, { ...shown, fault })
    const tries: Try[] = [
      ['code', person.id],
      ['codeOfDay', person.id],
    ]
    if (!(await limit.take(tries))) return again('tooMany')
    const answer = await readAnswer(parts, person, form)
    if (typeof answer === 'string') {
      const detail = { address: parts.addressOf(c.env.incoming), methods: [...ticket.methods] }
      await parts.note(person.organization.id, 'person.second_factor_refused', person.id, detail)
      return again(answer)
    }
    await limit.forgive(tries)
    const proof = { methods: [...ticket.methods, answer.method], secondFactor: true }
    // Setting a factor up has ended what there was before, once; whatever else was ended meanwhile stays so.
    const current = answer.isNew ? { ...person, epoch: person.epoch + 1 } : person
    const entered = await admit(c, current, proof, ticket)
    if (answer.isNew) parts.tell(words, person, 'factor_added')
    if (answer.codes.length === 0) return entered
    const cookies = entered.headers.getSetCookie()
    return toResponse(recoveryCodesPage({ words, codes: answer.codes, next: ticket.next, cookies }))
  })
}

/** What somebody has shown now, and recovery codes that came of it. */
async function readAnswer(
  parts: SignInParts,
  person: Person,
  form: Form,
): Promise<{ method: Method; codes: string[]; isNew: boolean } | 'wrong' | 'exists' | 'many'> {
  const { store, now, setup, passkeys, recoveryCodes } = parts
  const shown = (method: Method) => ({ method, codes: [], isNew: false })
  const after = (method: Method, done: SetUp) =>
    typeof done === 'string' ? done : { method, ...done, isNew: true }
  const code = form.one('code').trim()
  switch (form.one('action')) {
    case 'code': {
      if (await takeTotp(store, person.id, code, now())) return shown('totp')
      const isRecovery = await recoveryCodes.take(person, code, now())
      return isRecovery ? shown('recovery_code') : 'wrong'
    }
    case 'passkey': {
      const answer = { credential: form.one('credential'), challenge: form.one('challenge') }
      const owner = await passkeys?.take(`second:${person.id}`, answer)
      return owner === person.id ? shown('passkey') : 'wrong'
    }
    case 'set-up-app': {
      const offer = setup.readOffer(person, form)
      if (!offer || (await hasFactors(parts, person))) return 'exists'
      return after('totp', await setup.addApp(person, offer, code))
    }
    case 'set-up-passkey':
      if (await hasFactors(parts, person)) return 'exists'
      return after('passkey', await setup.addPasskey(person, form))
    default:
      return 'wrong'
  }
}

/** Who has a factor shows it: nobody sets up another one in its place with a password alone. */
async function hasFactors({ store }: SignInParts, person: Person): Promise<boolean> {
  return (await listFactors(store.db, person.id)).length > 0
}
