import type { Person } from '../account/person.ts'
import { judgeProof, type Proof } from '../factor/proof.ts'
import type { SecondFactor } from '../factor/second-factor.ts'
import { keepSaid } from '../federation/kept-said.ts'
import { messagePage } from '../pages/account.ts'
import { wordsFor } from '../pages/languages.ts'
import { redirectTo, toResponse } from '../pages/layout.ts'
import type { Ask, Origin, SignInParts } from './parts.ts'
import type { Onward } from './ticket.ts'

/** The one way in: whatever somebody proved, and wherever, it is judged here, and here sessions begin. */
export function createEntrance(parts: SignInParts, secondFactor: SecondFactor) {
  const { accounts, now, addressOf, note } = parts

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
    await keepSaid(parts, session.id, origin)
    const detail = { address: browser.address, methods: [...methods], secondFactor }
    // What was changed is on record; nobody has signed in by it.
    if (!origin.session) await note(organization.id, 'person.signed_in', id, detail)
    return session.cookies
  }

  return { enter, open }
}
