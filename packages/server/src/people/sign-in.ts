import type { IncomingMessage, ServerResponse } from 'node:http'
import type { JsonObject } from '@valetkey/sdk/core'
import type { Context as HttpContext } from 'hono'
import { findHomeProvider, hasProviders, type ProviderRow, readSignInPolicy } from '../directory/index.ts'
import type { Store } from '../store/index.ts'
import type { Accounts } from './accounts.ts'
import { type Form, isOwnForm, sealForm } from './form.ts'
import { messagePage } from './pages/account.ts'
import { type Page, redirectTo, toResponse } from './pages/layout.ts'
import { signInPage } from './pages/sign-in.ts'
import { STRINGS } from './pages/strings.ts'
import { findByEmail, findOnlyOrganization, type Person } from './person.ts'
import { judgeProof, type Proof } from './proof.ts'
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

/** Leads a browser to an identity provider, from where it comes back to `next`. */
export type LeaveFor = (
  c: Ask,
  provider: ProviderRow,
  to: { email: string; next: string; isFresh: boolean },
) => Promise<Response>

/** Signing in by a form: slowed down, and with one answer for whoever is not there. */
export function createSignIn(options: StageOptions, note: Note, leaveFor: LeaveFor) {
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
      hasProviders: await hasProviders(store.db, place.organization),
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
    const provider = await findHomeProvider(store.db, email, place.organization)
    const isElsewhere = form.one('way') === 'provider'
    if (provider && (isElsewhere || !(await takesPassword(provider))))
      return leaveFor(c, provider, { email: email.trim(), next, isFresh: place.isFresh ?? false })
    if (isElsewhere) return toResponse(await showSignIn(place, { ...shown, fault: 'noProvider' }))
    if (!limit.allows(account, address))
      return toResponse(await showSignIn(place, { ...shown, fault: 'tooMany' }))
    // Counted before the answer is known, so that guesses at once count too.
    limit.failed(account, address)
    const person = await findByEmail(store.db, home, email)
    const isRight = await accounts.checkPassword(person?.id, form.one('password'))
    if (!isRight || !person) {
      // Written for nobody too: what takes longer for somebody would tell who there is.
      const [home, whom] = person ? [person.organization.id, person.id] : [null, 'nobody']
      await note(home, 'person.sign_in_refused', whom, { address })
      return toResponse(await showSignIn(place, { ...shown, fault: 'wrong' }))
    }
    limit.succeeded(account, address)
    return enter(c, person, { methods: ['password'], secondFactor: false }, next)
  }

  /** Whether the organization of a provider lets people sign in by password as well. */
  async function takesPassword({ organizationId }: ProviderRow): Promise<boolean> {
    return (await readSignInPolicy(store.db, organizationId)).methods.includes('password')
  }

  /**
   * Lets somebody in who has proved who they are, by whatever way, if the organization takes that as a proof: the one
   * place where a session begins. What the browser was signed in as before ends.
   */
  async function enter(c: Ask, person: Person, proof: Proof, next: string): Promise<Response> {
    const { id, name, epoch, organization, policy } = person
    const detail = { address: addressOf(c.env.incoming), methods: [...proof.methods] }
    const verdict = judgeProof(policy, proof)
    if (verdict !== 'enough') {
      await note(organization.id, 'person.sign_in_refused', id, { ...detail, reason: verdict })
      const { title, policy: texts } = STRINGS.signIn
      return toResponse(messagePage({ title, text: texts[verdict], status: 403 }))
    }
    await accounts.signOut(c.req.header('cookie'))
    const cookies = await accounts.openSession({ id, name, epoch }, proof, policy.sessionMinutes)
    await note(organization.id, 'person.signed_in', id, { ...detail, secondFactor: proof.secondFactor })
    return redirectTo(next, cookies)
  }

  return { showSignIn, signIn, enter }
}
