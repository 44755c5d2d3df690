import { findByEmail, findPerson } from '../account/person.ts'
import type { SignInFault } from '../pages/sign-in.ts'
import type { SignInRequest, SignInSite } from './parts.ts'
import { networkOf, type Try } from './sign-in-limit.ts'

/** Shows the page once more, with what was wrong. */
export type Again = (fault: SignInFault) => Promise<Response>

/** By a password, which takes as long to refuse for nobody as for somebody. */
export async function byPassword(site: SignInSite, request: SignInRequest, again: Again): Promise<Response> {
  const { store, accounts, limit, note, enter } = site
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

/** By a passkey of this origin. */
export async function byPasskey(site: SignInSite, request: SignInRequest, again: Again): Promise<Response> {
  const { store, passkeys, limit, note, enter } = site
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
