import type { IncomingMessage, ServerResponse } from 'node:http'
import type { JsonObject } from '@valetkey/sdk/core'
import type { Context as HttpContext } from 'hono'
import { findHomeProvider, hasProviders, type ProviderRow, readSignInPolicy } from '../../directory/index.ts'
import type { Mailer } from '../../mail/index.ts'
import type { Store } from '../../store/index.ts'
import type { Accounts } from '../account/accounts.ts'
import { findHome, type Home, type Person } from '../account/person.ts'
import type { FactorSetup } from '../factor/factor-setup.ts'
import type { Passkeys } from '../factor/passkeys.ts'
import type { RecoveryCodes } from '../factor/recovery-codes.ts'
import { type Form, isOwnForm, sealForm } from '../form.ts'
import { refuseForm } from '../pages/account.ts'
import { type Words, wordsFor } from '../pages/languages.ts'
import { type Page, toResponse } from '../pages/layout.ts'
import { type SignInFault, signInPage } from '../pages/sign-in.ts'
import { STRINGS } from '../pages/strings.ts'
import type { Entrance } from './entrance.ts'
import { mailLink } from './mailed-link.ts'
import type { SignInLimit } from './sign-in-limit.ts'
import { byPasskey, byPassword } from './ways.ts'

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

/** What signing in by a form leads to. */
export interface SignInSite extends SignInParts {
  enter: Entrance['enter']
  /** Leads a browser to an identity provider, from where it comes back to `next`. */
  leaveFor(
    c: Ask,
    provider: ProviderRow,
    to: { email: string; next: string; isFresh: boolean },
  ): Promise<Response>
}

/** The ways that begin on the sign-in page, by the button that sent its form. */
const WAYS = new Map([
  ['', 'password'],
  ['link', 'link'],
  ['passkey', 'passkey'],
  ['provider', 'provider'],
] as const)

/** The page on which somebody signs in, with the ways that the organization takes. */
export async function showSignIn(
  parts: SignInParts,
  place: SignInPlace,
  extra: { email?: string; organization?: string; fault?: SignInFault } = {},
): Promise<Page> {
  const { store, base, now, passkeys, mailer } = parts
  const home = await findHome(store.db, place.organization)
  const takes = (method: 'password' | 'link' | 'passkey') => home?.policy.methods.includes(method) ?? true
  return signInPage({
    words: place.words ?? STRINGS,
    base,
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

/**
 * Signs somebody in by a form, and goes on to the place: slowed down, and with the same answer for whoever is not there.
 */
export async function signIn(
  site: SignInSite,
  c: Ask,
  place: SignInPlace,
  form: Form,
  next: string,
): Promise<Response> {
  const { store, now, addressOf } = site
  const [email, organization] = [form.one('email'), form.one('organization')]
  const words = wordsFor(c.req.header('accept-language'))
  const again = async (fault: SignInFault) =>
    toResponse(await showSignIn(site, { words, ...place }, { email, organization, fault }))
  if (!isOwnForm(store.secrets, `sign-in:${place.purpose}`, form, now())) return again('expired')
  const way = WAYS.get(form.one('way') as Parameters<typeof WAYS.get>[0])
  if (way === 'provider' || way === 'password') {
    const provider = await findHomeProvider(store.db, email, place.organization)
    const isLeaving = way === 'provider' || (provider && !(await takesPassword(store, provider)))
    if (provider && isLeaving)
      return site.leaveFor(c, provider, { email: email.trim(), next, isFresh: place.isFresh ?? false })
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
      return byPassword(site, request, again)
    case 'link':
      return mailLink(site, request, again)
    case 'passkey':
      return byPasskey(site, request, again)
    default:
      return refuseForm(c)
  }
}

/** Whether the organization of a provider lets people sign in by password as well. */
async function takesPassword({ db }: Store, { organizationId }: ProviderRow): Promise<boolean> {
  return (await readSignInPolicy(db, organizationId)).methods.includes('password')
}
