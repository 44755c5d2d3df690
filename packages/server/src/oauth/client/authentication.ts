import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { isId } from '@valetkey/sdk/core'
import type { JWK } from 'jose'
import { errors, type KoaContext, Provider } from 'oidc-provider'
import { hashSecret } from '../../store/index.ts'
import type { FailureLimit } from '../failure-limit.ts'
import { type Workload, workloadOf } from '../issuer/workload-request.ts'
import type { Journal } from '../journal.ts'
import type { ReceiverClient } from '../receiver/receiver.ts'
import { DEVICE_CODE } from '../token/token-types.ts'
import { available, tooManyFailures } from '../trouble.ts'
import { type Addressing, checkAssertion } from './assertion.ts'
import type { Caller, CallerCredential } from './caller.ts'
import { type ClientDocument, isDocumentId } from './document.ts'
import { findKeys, hasExpired, type TriedKey } from './keys.ts'
import { createClients } from './objects.ts'
import type { Registration } from './registration.ts'
import type { FindRegistration } from './registrations.ts'

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

export interface ClientAuthenticationOptions {
  issuer: string
  tokenEndpoint: string
  findCaller: (clientId: string) => Promise<Caller | undefined>
  findReceiver: (clientId: string) => Promise<ReceiverClient | undefined>
  /** The agent of a client whose id names a document: in the organization that the request is about. */
  findDocumentCaller: (clientId: string, params: Record<string, unknown>) => Promise<Caller | undefined>
  /** Where a client may return to, and how it has to ask. */
  findRegistration: FindRegistration
  keysOf: (document: ClientDocument) => Promise<readonly JWK[]>
  journal: Journal
  limit: FailureLimit
  addressOf: (request: IncomingMessage) => string
  now: () => number
}

/** The hook by which oidc-provider asks about a verified assertion. */
export function assertionHook(options: ClientAuthenticationOptions) {
  const { issuer, tokenEndpoint, now } = options
  return (ctx: KoaContext, claims: Record<string, unknown>, header: Record<string, unknown>): void => {
    const attempt = attemptOf(ctx)
    const legacyAudience = attempt.caller?.legacyAudience === true
    attempt.addressing = checkAssertion(claims, header, { issuer, tokenEndpoint, legacyAudience, now: now() })
  }
}

/**
 * Makes oidc-provider authenticate against our own tables. A client object of its carries nothing that can go stale:
 * keys and secrets come with every request from the caller that was read for it.
 */
export function authenticateByOwnTables(provider: Provider, options: ClientAuthenticationOptions): void {
  const { issuer, tokenEndpoint, findCaller, findRegistration, journal, limit, addressOf, now } = options
  const clients = createClients(provider, {
    selectForVerify: ({ kid }) => {
      const attempt = attemptOf(requireContext())
      const found = findKeys(attempt, kid, now())
      if (found.length === 0) attempt.refusal = 'key_missing'
      return found
    },
    getKeyObject(tried) {
      triedKeys.set(requireContext(), tried as TriedKey)
      return (tried as TriedKey).jwk
    },
    fresh: () => true,
  })
  const noteProof = (ctx: KoaContext, credential: CallerCredential) => {
    attemptOf(ctx).credential = credential
    journal.used(credential.id, addressOf(ctx.req))
  }
  const proven = (ctx: KoaContext, credential: CallerCredential | undefined) => {
    limit.succeeded(attemptOf(ctx).client ?? '', addressOf(ctx.req))
    if (credential) noteProof(ctx, credential)
  }

  provider.OIDCContext.prototype.clientJwtAuthExpectedAudience = () => new Set([issuer, tokenEndpoint])

  provider.Client.find = async id => {
    const ctx = Provider.ctx
    // RFC 6749 appendix A.1: client ids are visible ASCII.
    if (!ctx || typeof id !== 'string' || !/^[\x20-\x7e]{1,500}$/.test(id)) return undefined
    const attempt = attemptOf(ctx)
    attempt.client = id
    const workload = workloadOf(ctx.req)
    if (workload) return findWorkload(ctx, workload)
    const { route } = ctx.oidc
    if (!AT_THE_BROWSER.has(route)) refuseIfWaiting(ctx, limit.waitSeconds(id, addressOf(ctx.req)))
    if (isId(id, 'signalReceiver')) return findReceiver(ctx, id)
    const isDocument = isDocumentId(id)
    const refused = (reason: string) => {
      attempt.refusal = reason
    }
    const mayAsk = ASKING.has(route) || route === 'device_authorization' || isWaiting(ctx)
    const registration = mayAsk || isDocument ? await available(findRegistration(id, refused)) : undefined
    if (AT_THE_BROWSER.has(route)) return registration && clients(id, 'none', registration)
    if (isDocument && !registration) return undefined
    const caller = await available(
      isDocument ? options.findDocumentCaller(id, ctx.oidc.params) : findCaller(id),
    )
    if (caller) attempt.caller = caller
    attempt.refusal = caller ? caller.barred : 'client_unknown'
    if (ASKING.has(route) && !registration) attempt.refusal = 'redirect_missing'
    // Before anybody has taken a client on it can ask all the same: by pushing, through a browser, or by a code to type.
    const mayBeNobody = registration !== undefined && !caller
    if (attempt.refusal !== undefined && !mayBeNobody) return undefined
    const asking = ASKING.has(route) ? registration : undefined
    if (registration?.document) return findByDocument(ctx, registration.document, asking)
    const method = methodOf(ctx)
    const open = caller?.credentials.find(({ kind }) => kind === 'public')
    if (method !== 'none' || (caller && !open))
      return clients(id, method === 'key' ? 'key' : 'secret', asking)
    if (open && hasExpired(open, now())) return undefined
    // It has nothing to prove itself by: the code with its verifier, or the refresh token, has to do.
    if (open) noteProof(ctx, open)
    return clients(id, 'none', asking)
  }

  /** A workload was proven at the door; whether its agent may act, and the rule still stands, is read anew. */
  async function findWorkload(ctx: KoaContext, { agent, credential }: Workload) {
    const attempt = attemptOf(ctx)
    const caller = await available(findCaller(agent))
    if (caller) attempt.caller = caller
    attempt.refusal = caller ? caller.barred : 'client_unknown'
    const own = caller?.credentials.find(({ id, kind }) => id === credential && kind === 'workload')
    if (attempt.refusal !== undefined || !own || hasExpired(own, now())) return undefined
    noteProof(ctx, own)
    return clients(agent, 'none')
  }

  /** A receiver proves itself by its secret, and there is nothing that it could ask for but tokens. */
  async function findReceiver(ctx: KoaContext, id: string) {
    const attempt = attemptOf(ctx)
    const receiver = await available(options.findReceiver(id))
    if (receiver) attempt.receiver = receiver
    if (!receiver) attempt.refusal = 'client_unknown'
    else if (!TOKEN_ROUTES.has(ctx.oidc.route) || methodOf(ctx) !== 'secret')
      attempt.refusal = 'client_method'
    else return clients(id, 'receiver')
    return undefined
  }

  /** A client proves itself in the way that its document says at this moment, and in no other. */
  async function findByDocument(ctx: KoaContext, document: ClientDocument, asking: Registration | undefined) {
    const attempt = attemptOf(ctx)
    const wanted = document.proof ? 'key' : 'none'
    const own = attempt.caller?.credentials.find(({ kind }) => kind === 'document')
    if (methodOf(ctx) !== wanted) attempt.refusal = 'client_method'
    else if (attempt.caller && (!own || hasExpired(own, now()))) attempt.refusal = 'credential_expired'
    else {
      attempt.documentKeys = await options.keysOf(document)
      if (wanted === 'none' && own) noteProof(ctx, own)
      return clients(attempt.client ?? '', wanted, asking)
    }
    return undefined
  }

  provider.Client.prototype.compareClientSecret = secret => {
    const ctx = requireContext()
    const match = matchSecret(attemptOf(ctx), secret)
    attemptOf(ctx).refusal = match ? 'credential_expired' : 'secret_unknown'
    if (!match || hasExpired(match, now())) return false
    proven(ctx, match)
    return true
  }

  provider.ReplayDetection.unique = async (iss, jti, expiresAt) => {
    const ctx = requireContext()
    const id = createHash('sha256').update(`${iss}\n${jti}`).digest('base64url')
    const first = await available(journal.useOnce(id, expiresAt * 1000))
    const tried = triedKeys.get(ctx)
    if (first && tried) proven(ctx, tried.credential)
    else attemptOf(ctx).refusal = 'assertion_replayed'
    return first
  }
}

/** The key that was tried last; the verified one, once the signature holds. */
const triedKeys = new WeakMap<KoaContext, TriedKey>()

/** Where nobody proves anything: the browser of a person carries the request of a client. */
const AT_THE_BROWSER = new Set(['authorization', 'resume'])
/** Where a request for authorization is taken. */
const ASKING = new Set([...AT_THE_BROWSER, 'pushed_authorization_request'])

/** Where tokens are given, and given back. */
const TOKEN_ROUTES = new Set(['token', 'revocation'])

/** Whether a client comes again to hear of a code that it shows somebody. */
function isWaiting({ oidc }: KoaContext): boolean {
  return oidc.route === 'token' && oidc.params['grant_type'] === DEVICE_CODE
}

function matchSecret({ caller, receiver }: Attempt, secret: string): CallerCredential | undefined {
  const hash = Buffer.from(hashSecret(secret))
  let match: CallerCredential | undefined
  for (const credential of receiver ? [receiver.credential] : (caller?.credentials ?? [])) {
    if (credential.secretHash === null) continue
    const stored = Buffer.from(credential.secretHash)
    if (stored.length === hash.length && timingSafeEqual(stored, hash)) match = credential
  }
  return match
}

/** How a request means to prove who sends it. */
export function methodOf(ctx: KoaContext): 'secret' | 'key' | 'none' {
  const { client_assertion, client_secret } = ctx.oidc.params
  if (client_assertion !== undefined) return 'key'
  return client_secret === undefined && ctx.get('authorization') === '' ? 'none' : 'secret'
}

function refuseIfWaiting(ctx: KoaContext, waitSeconds: number): void {
  if (waitSeconds === 0) return
  ctx.set('retry-after', String(waitSeconds))
  throw tooManyFailures()
}

function requireContext(): KoaContext {
  const ctx = Provider.ctx
  if (!ctx) throw new errors.InvalidClientAuth('outside of a request')
  return ctx
}
