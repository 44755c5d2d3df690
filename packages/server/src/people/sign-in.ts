import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Context as HttpContext } from 'hono'
import type { Store } from '../store/index.ts'
import type { Accounts } from './accounts.ts'
import { type Form, isOwnForm, sealForm } from './form.ts'
import { type Page, redirectTo, toResponse } from './pages/layout.ts'
import { signInPage } from './pages/sign-in.ts'
import { findByEmail, findOnlyOrganization } from './person.ts'
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

/** Records what somebody did, or tried. */
export type Note = (
  organization: string | null,
  type: string,
  target: string,
  detail: { address: string },
) => Promise<void>

/** Signing in by a form: slowed down, and with one answer for whoever is not there. */
export function createSignIn(options: StageOptions, note: Note) {
  const { store, accounts, now, addressOf } = options
  const limit = createSignInLimit(now)

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
    await accounts.signOut(c.req.header('cookie'))
    await note(person.organization.id, 'person.signed_in', person.id, { address })
    return redirectTo(next, cookies)
  }

  return { showSignIn, signIn }
}
