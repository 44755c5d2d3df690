import type { IncomingMessage, ServerResponse } from 'node:http'
import type { JsonObject } from '@valetkey/sdk/core'
import type { Context as HttpContext } from 'hono'
import { findHomeProvider, hasProviders, type ProviderRow, readSignInPolicy } from '../../directory/index.ts'
import type { Mailer } from '../../mail/index.ts'
import type { Store } from '../../store/index.ts'
import type { Accounts, Session } from '../account/accounts.ts'
import { findByEmail, findHome, findPerson, type Home, type Person } from '../account/person.ts'
import type { FactorSetup } from '../factor/factor-setup.ts'
import type { Passkeys } from '../factor/passkeys.ts'
import { judgeProof, type Proof } from '../factor/proof.ts'
import type { RecoveryCodes } from '../factor/recovery-codes.ts'
import type { SecondFactor } from '../factor/second-factor.ts'
import { type Form, isOwnForm, sealForm } from '../form.ts'
import { messagePage, refuseForm } from '../pages/account.ts'
import { type Words, wordsFor } from '../pages/languages.ts'
import { type Page, redirectTo, toResponse } from '../pages/layout.ts'
import { type SignInFault, signInPage } from '../pages/sign-in.ts'
import { STRINGS } from '../pages/strings.ts'
import { mailLink } from './mailed-link.ts'
import { networkOf, type SignInLimit, type Try } from './sign-in-limit.ts'
import type { Onward } from './ticket.ts'

/** What @hono/node-server brings along. */
export type Env = { Bindings: { incoming: IncomingMessage; outgoing: ServerResponse } }
export type Ask = HttpContext<Env>

export interface StageOptions {
  store: Store
  accounts: Accounts
  issuer: string
  /** Shared by all nodes of the database: keys what is kept as a hash. */
  secret: string
  /** Undefined where this authority sends no mail. */
  mailer: Mailer | undefined
  now(): number
  addressOf(request: IncomingMessage): string
  /** Told of what is a fault of ours; people see the reference. */
  onFault(fault: unknown, reference: string): void
}

/** What signing in rests on. */
export interface SignInParts extends StageOptions {
  /** Path of the issuer, without a slash at its end. */
  base: string
  note: Note
  /** The form of a request; undefined where another site sent it, or no form of ours looks like that. */
  readForm(c: Ask): Promise<Form | undefined>
  limit: SignInLimit
  recoveryCodes: RecoveryCodes
  passkeys: Passkeys | undefined
  setup: FactorSetup
  /** Tells a person by mail what was changed about signing in, so that it is noticed where somebody else did it. */
  tell(words: Words, person: Person, what: keyof Words['mail']['changed']['what']): void
}

/** Where somebody is to sign in, and what for. */
export interface SignInPlace {
  /** Path of the page, which is also where its form goes. */
  path: string
  /** The language of the person's browser; English where nothing is said. */
  words?: Words
  /** What the form is bound to. */
  purpose: string
  /** Fixed where the agent belongs to one; else the person says it, or there is only one. */
  organization?: string | undefined
  agent?: string | undefined
  leadsTo?: string | undefined
  /** Whether the person must sign in anew, also where somebody else knows who it is. */
  isFresh?: boolean
}

/** Records what somebody did, or tried. */
export type Note = (
  organization: string | null,
  type: string,
  target: string,
  detail: JsonObject,
) => Promise<void>

/** Identity providers of organizations, as far as signing in leads there and comes back. */
export interface Elsewhere {
  /** Leads a browser to a provider, from where it comes back to `next`. */
  leaveFor(
    c: Ask,
    provider: ProviderRow,
    to: { email: string; next: string; isFresh: boolean },
  ): Promise<Response>
  /** Keeps with a session what the provider said, or what is kept with the session that it takes the place of. */
  keepSaid(session: string, of: Origin): Promise<void>
}

/** Where a session comes from, if not from here. */
export interface Origin {
  said?: string | undefined
  /** When the person has shown there who they are, in milliseconds since 1970; just now where nothing is said. */
  provedAt?: number | undefined
  /** Whose place the new one takes: nobody has signed in since. */
  session?: Pick<Session, 'id' | 'signedInAt' | 'provedAt'> | undefined
}

/** What somebody sent from the sign-in page, and where it belongs. */
export interface SignInRequest {
  c: Ask
  place: SignInPlace
  form: Form
  next: string
  home: Home | undefined
  /** Names the account in limits, whether or not there is one. */
  account: string
  address: string
}

/** The ways that begin on the sign-in page, by the button that sent its form. */
const WAYS = new Map([
  ['', 'password'],
  ['link', 'link'],
  ['passkey', 'passkey'],
  ['provider', 'provider'],
] as const)

/** Signing in by a form: slowed down, and with one answer for whoever is not there. */
export function createSignIn(parts: SignInParts, secondFactor: SecondFactor, elsewhere: Elsewhere) {
  const { store, accounts, now, addressOf, limit, note, passkeys, mailer } = parts

  async function showSignIn(
    place: SignInPlace,
    extra: { email?: string; organization?: string; fault?: SignInFault } = {},
  ): Promise<Page> {
    const home = await findHome(store.db, place.organization)
    const takes = (method: 'password' | 'link' | 'passkey') => home?.policy.methods.includes(method) ?? true
    return signInPage({
      words: place.words ?? STRINGS,
      base: parts.base,
      action: place.path,
      formToken: sealForm(store.secrets, `sign-in:${place.purpose}`, now()),
      agent: place.agent,
      asksOrganization: home === undefined,
      leadsTo: place.leadsTo,
      hasPassword: takes('password'),
      hasMail: mailer !== undefined,
      hasProviders: await hasProviders(store.db, place.organization),
      hasLink: mailer !== undefined && takes('link'),
      passkey: takes('passkey') ? await passkeys?.ask(`sign-in:${place.purpose}`) : undefined,
      ...extra,
    })
  }

  /** Signs somebody in by a form, and goes on to the place; the same answer for whoever is not there. */
  async function signIn(c: Ask, place: SignInPlace, form: Form, next: string): Promise<Response> {
    const [email, organization] = [form.one('email'), form.one('organization')]
    const words = wordsFor(c.req.header('accept-language'))
    const again = async (fault: SignInFault) =>
      toResponse(await showSignIn({ words, ...place }, { email, organization, fault }))
    if (!isOwnForm(store.secrets, `sign-in:${place.purpose}`, form, now())) return again('expired')
    const way = WAYS.get(form.one('way') as Parameters<typeof WAYS.get>[0])
    if (way === 'provider' || way === 'password') {
      const provider = await findHomeProvider(store.db, email, place.organization)
      const isLeaving = way === 'provider' || (provider && !(await takesPassword(provider)))
      if (provider && isLeaving)
        return elsewhere.leaveFor(c, provider, { email: email.trim(), next, isFresh: place.isFresh ?? false })
      if (isLeaving) return again('noProvider')
    }
    const home = await findHome(
      store.db,
      place.organization ?? (organization === '' ? undefined : organization),
    )
    if (home && way !== undefined && !home.policy.methods.some(method => method === way))
      return again('notThisWay')
    const account = `${home?.id ?? organization}\n${email.trim().toLowerCase()}`
    const request = { c, place, form, next, home, account, address: addressOf(c.env.incoming) }
    switch (way) {
      case 'password':
        return byPassword(request, again)
      case 'link':
        return mailLink(parts, request, again)
      case 'passkey':
        return byPasskey(request, again)
      default:
        return refuseForm(c)
    }
  }

  /** Whether the organization of a provider lets people sign in by password as well. */
  async function takesPassword({ organizationId }: ProviderRow): Promise<boolean> {
    return (await readSignInPolicy(store.db, organizationId)).methods.includes('password')
  }

  type Again = (fault: SignInFault) => Promise<Response>

  async function byPassword(request: SignInRequest, again: Again): Promise<Response> {
    const { c, form, home, account, address, next, place } = request
    const network = networkOf(address)
    const tries: Try[] = [
      ['accountHere', `${network}\n${account}`],
      ['network', network],
      ['account', account],
    ]
    // Counted before the answer is known, so that guesses at once count too.
    if (!(await limit.take(tries))) return again('tooMany')
    const person = await findByEmail(store.db, home?.id, form.one('email'))
    const isRight = await accounts.checkPassword(person?.id, form.one('password'))
    if (!isRight || !person) {
      // Written for nobody too: what takes longer for somebody would tell who there is.
      const [organization, whom] = person ? [person.organization.id, person.id] : [null, 'nobody']
      await note(organization, 'person.sign_in_refused', whom, { address, methods: ['password'] })
      return again('wrong')
    }
    await limit.forgive(tries)
    return enter(c, person, { methods: ['password'], secondFactor: false }, { next, leadsTo: place.leadsTo })
  }

  async function byPasskey(request: SignInRequest, again: Again): Promise<Response> {
    const { c, form, place, address, next } = request
    const tries: Try[] = [['network', networkOf(address)]]
    if (!(await limit.take(tries))) return again('tooMany')
    const answer = { credential: form.one('credential'), challenge: form.one('challenge') }
    const owner = await passkeys?.take(`sign-in:${place.purpose}`, answer)
    const person = owner === undefined ? undefined : await findPerson(store.db, owner)
    if (!person) {
      await note(null, 'person.sign_in_refused', owner ?? 'nobody', { address, methods: ['passkey'] })
      return again('wrongPasskey')
    }
    await limit.forgive(tries)
    // The device was unlocked for it: that is a second factor in one.
    return enter(c, person, { methods: ['passkey'], secondFactor: true }, { next, leadsTo: place.leadsTo })
  }

  /**
   * Lets somebody in who has proved who they are, by whatever way, if the organization takes that as a proof: every way
   * in comes through here. Whoever has a second factor, or needs one, is asked for it first.
   */
  async function enter(c: Ask, person: Person, proof: Proof, onward: Onward): Promise<Response> {
    const verdict = judgeProof(person.policy, proof)
    const words = wordsFor(c.req.header('accept-language'))
    if (verdict !== 'refused' && (await secondFactor.isNeeded(person, proof)))
      return secondFactor.ask(words, person, proof, onward)
    if (verdict === 'enough') return redirectTo(onward.next, await open(c, person, proof, onward))
    const { id, organization } = person
    const detail = { address: addressOf(c.env.incoming), methods: [...proof.methods], reason: verdict }
    await note(organization.id, 'person.sign_in_refused', id, detail)
    const { title, notThisWay: text } = words.signIn
    return toResponse(messagePage({ words, title, text, status: 403 }))
  }

  /** The one place where a session begins. What the browser was signed in as before ends. */
  async function open(c: Ask, person: Person, proof: Proof, origin: Origin): Promise<string[]> {
    const { id, name, epoch, organization, policy } = person
    const { methods, secondFactor } = proof
    const browser = { address: addressOf(c.env.incoming), userAgent: c.req.header('user-agent') ?? '' }
    const { signedInAt, provedAt } = origin.session ?? {
      signedInAt: now(),
      provedAt: origin.provedAt ?? now(),
    }
    const from = { ...browser, signedInAt, provedAt }
    await accounts.signOut(c.req.header('cookie'))
    const session = await accounts.openSession({ id, name, epoch }, proof, policy.sessionMinutes, from)
    await elsewhere.keepSaid(session.id, origin)
    const detail = { address: browser.address, methods: [...methods], secondFactor }
    // What was changed is on record; nobody has signed in by it.
    if (!origin.session) await note(organization.id, 'person.signed_in', id, detail)
    return session.cookies
  }

  return { showSignIn, signIn, enter, open }
}
