import type { JWK } from 'jose'
import { errors, type KoaContext, Provider } from 'oidc-provider'
import type { ReceiverClient } from '../receiver/receiver.ts'
import type { Addressing } from './assertion.ts'
import type { Caller, CallerCredential } from './caller.ts'

/** What one request has shown so far about who sends it. */
export interface Attempt {
  /** The client id that it claims. */
  client?: string
  /** The agent behind that id; not proven before `credential` is set. */
  caller?: Caller
  /** The credential that the caller proved to hold. */
  credential?: CallerCredential
  /** The receiver of security events behind the id, which is no agent; not proven before `credential` is set. */
  receiver?: ReceiverClient
  addressing?: Addressing
  /** The keys that the client's document names. */
  documentKeys?: readonly JWK[]
  /** Why it is refused, for the record. */
  refusal?: string | undefined
  /** By which somebody who read that it was refused finds it in the record. */
  reference?: string
}

const attempts = new WeakMap<KoaContext, Attempt>()

export function attemptOf(ctx: KoaContext): Attempt {
  const attempt = attempts.get(ctx) ?? {}
  attempts.set(ctx, attempt)
  return attempt
}

/** The caller and the credential it proved to hold; only called once oidc-provider has authenticated the client. */
export function provenCaller(ctx: KoaContext): { caller: Caller; credential: CallerCredential } {
  const { caller, credential } = attemptOf(ctx)
  // It may ask before anybody has taken it on; there is nothing yet that it could have been given.
  if (!caller) throw new errors.InvalidGrant('client_without_agent')
  if (!credential) throw new Error('unreachable: an authenticated client without a credential')
  return { caller, credential }
}

/** The receiver of security events that proved itself; undefined where a client of an agent's did. */
export function provenReceiver(ctx: KoaContext): ReceiverClient | undefined {
  const { receiver, credential } = attemptOf(ctx)
  return credential && receiver
}

/** How a request means to prove who sends it. */
export function methodOf(ctx: KoaContext): 'secret' | 'key' | 'none' {
  const { client_assertion, client_secret } = ctx.oidc.params
  if (client_assertion !== undefined) return 'key'
  return client_secret === undefined && ctx.get('authorization') === '' ? 'none' : 'secret'
}

/** The request that is answered now, where a hook of oidc-provider is not given it. */
export function requireContext(): KoaContext {
  const ctx = Provider.ctx
  if (!ctx) throw new errors.InvalidClientAuth('outside of a request')
  return ctx
}
