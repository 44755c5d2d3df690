import type { IncomingMessage, ServerResponse } from 'node:http'
import type { JsonObject } from '@valetkey/sdk/core'
import type { Context as HttpContext } from 'hono'
import type { ProviderRow } from '../../directory/index.ts'
import type { Mailer } from '../../mail/index.ts'
import type { LimitedFetch } from '../../outbound/index.ts'
import type { Store } from '../../store/index.ts'
import type { Accounts, Session } from '../account/accounts.ts'
import type { Home, Person } from '../account/person.ts'
import type { FactorSetup } from '../factor/factor-setup.ts'
import type { Passkeys } from '../factor/passkeys.ts'
import type { Proof } from '../factor/proof.ts'
import type { RecoveryCodes } from '../factor/recovery-codes.ts'
import type { Form } from '../form.ts'
import type { Words } from '../pages/languages.ts'
import type { SignInLimit } from './sign-in-limit.ts'
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
  /** How identity providers are reached. */
  fetch: LimitedFetch
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

/** Lets somebody in who has proved who they are, by whatever way. */
export type Enter = (c: Ask, person: Person, proof: Proof, onward: Onward) => Promise<Response>

/** What signing in by a form leads to. */
export interface SignInSite extends SignInParts {
  enter: Enter
  /** Leads a browser to an identity provider, from where it comes back to `next`. */
  leaveFor(
    c: Ask,
    provider: ProviderRow,
    to: { email: string; next: string; isFresh: boolean },
  ): Promise<Response>
}

/** Where a session comes from, if not from here. */
export interface Origin {
  said?: string | undefined
  /** When the person has shown there who they are, in milliseconds since 1970; just now where nothing is said. */
  provedAt?: number | undefined
  /** Whose place the new one takes: nobody has signed in since. */
  session?: Pick<Session, 'id' | 'signedInAt' | 'provedAt'> | undefined
}
