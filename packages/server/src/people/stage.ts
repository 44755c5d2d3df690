import type { IncomingMessage, ServerResponse } from 'node:http'
import { newId } from '@valetkey/sdk/core'
import type { Context as HttpContext } from 'hono'
import { record } from '../audit/index.ts'
import type { Store } from '../store/index.ts'
import type { Accounts, Session } from './accounts.ts'
import { type Form, isFromElsewhere, isOwnForm, readForm, sealForm } from './form.ts'
import { type Page, redirectTo, toResponse } from './pages/layout.ts'
import { signInPage } from './pages/sign-in.ts'
import { findByEmail, findOnlyOrganization, findPerson, type Person } from './person.ts'
import { createSignInLimit } from './sign-in-limit.ts'

/** What @hono/node-server brings along. */
export type Env = { Bindings: { incoming: IncomingMessage; outgoing: ServerResponse } }
export type Ask = HttpContext<Env>

export interface StageOptions {
  store: Store
  accounts: Accounts
  issuer: string
  now(): number
  addressOf(request: IncomingMessage): string
  /** Told of what is a fault of ours; people see the reference. */
  onFault(fault: unknown, reference: string): void
}

/** Somebody who is signed in, and may be. */
export interface SignedIn {
  person: Person
  session: Session
}

/** Where somebody is to sign in, and what for. */
export interface SignInPlace {
  /** Path of the page, which is also where its form goes. */
  path: string
  /** What the form is bound to. */
  purpose: string
  /** Fixed where the agent belongs to one; else the person says it, or there is only one. */
  organization?: string | undefined
  agent?: string | undefined
  leadsTo?: string | undefined
}

/** What all pages rest on: who is signed in, signing in and out, and forms that only this browser can send. */
export type Stage = ReturnType<typeof createStage>

export function createStage(options: StageOptions) {
  const { store, accounts, issuer, now, addressOf } = options
  const limit = createSignInLimit(now)
  const { origin, pathname } = new URL(issuer)
  const base = pathname.replace(/\/$/, '')
  const cookiesOf = (c: Ask) => c.req.header('cookie')
  const note = (organization: string | null, type: string, target: string, detail: { address: string }) =>
    store.write(tx => record(tx, { organization, type, actor: target, target, detail }, now()))

  /** Who is signed in. A person who may not sign in any more counts as nobody. */
  async function whoIs(c: Ask): Promise<SignedIn | undefined> {
    const session = await accounts.findSession(cookiesOf(c))
    const person = session && (await findPerson(store.db, session.person))
    return session && person && { person, session }
  }

  async function showSignIn(
    place: SignInPlace,
    extra: Partial<Parameters<typeof signInPage>[0]> = {},
  ): Promise<Page> {
    const known = place.organization ?? (await findOnlyOrganization(store.db))
    return signInPage({
      action: place.path,
      formToken: sealForm(store.secrets, `sign-in:${place.purpose}`, now()),
      agent: place.agent,
      asksOrganization: known === undefined,
      leadsTo: place.leadsTo,
      ...extra,
    })
  }

  /** Signs somebody in by a form, and goes on to the place; the same answer for whoever is not there. */
  async function signIn(c: Ask, place: SignInPlace, form: Form, next: string): Promise<Response> {
    const [email, organization] = [form.one('email'), form.one('organization')]
    const shown = { email, organization }
    if (!isOwnForm(store.secrets, `sign-in:${place.purpose}`, form, now()))
      return toResponse(await showSignIn(place, { ...shown, fault: 'expired' }))
    const address = addressOf(c.env.incoming)
    const home = place.organization ?? (await findOnlyOrganization(store.db)) ?? organization
    const account = `${home}\n${email.trim().toLowerCase()}`
    if (!limit.allows(account, address))
      return toResponse(await showSignIn(place, { ...shown, fault: 'tooMany' }))
    // Counted before the answer is known, so that guesses at once count too.
    limit.failed(account, address)
    const person = await findByEmail(store.db, home, email)
    const cookies = await accounts.signIn(person?.id, form.one('password'))
    if (!cookies || !person) {
      // Written for nobody too: what takes longer for somebody would tell who there is.
      const [home, whom] = person ? [person.organization.id, person.id] : [null, 'nobody']
      await note(home, 'person.sign_in_refused', whom, { address })
      return toResponse(await showSignIn(place, { ...shown, fault: 'wrong' }))
    }
    limit.succeeded(account, address)
    await accounts.signOut(cookiesOf(c))
    await note(person.organization.id, 'person.signed_in', person.id, { address })
    return redirectTo(next, cookies)
  }

  /** Ends the session, and goes on. */
  async function signOut(c: Ask, who: SignedIn | undefined, next: string): Promise<Response> {
    const cookies = await accounts.signOut(cookiesOf(c))
    const detail = { address: addressOf(c.env.incoming) }
    if (who) await note(who.person.organization.id, 'person.signed_out', who.person.id, detail)
    return redirectTo(next, cookies)
  }

  return {
    ...options,
    base,
    whoIs,
    showSignIn,
    signIn,
    signOut,
    /** The form of a request; undefined where another site sent it, or no form of ours looks like that. */
    readForm: async (c: Ask) => (isFromElsewhere(c.req.raw, origin) ? undefined : readForm(c.req.raw)),
    sealForm: (purpose: string) => sealForm(store.secrets, purpose, now()),
    isOwnForm: (purpose: string, form: Form) => isOwnForm(store.secrets, purpose, form, now()),
    newReference: () => newId('request', now()),
  }
}
