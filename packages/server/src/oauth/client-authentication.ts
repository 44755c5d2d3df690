import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { JWK } from 'jose'
import { errors, type KoaContext, Provider } from 'oidc-provider'
import { hashSecret } from '../store/index.ts'
import { type Addressing, checkAssertion } from './assertion.ts'
import type { Caller, CallerCredential } from './caller.ts'
import { createClients } from './client-objects.ts'
import type { Registration } from './client-registration.ts'
import type { FailureLimit } from './failure-limit.ts'
import type { Journal } from './journal.ts'
import { available, tooManyFailures } from './trouble.ts'

/** What one request has shown so far about who sends it. */
export interface Attempt {
  /** The client id that it claims. */
  client?: string
  /** The agent behind that id; not proven before `credential` is set. */
  caller?: Caller
  /** The credential that the caller proved to hold. */
  credential?: CallerCredential
  addressing?: Addressing
  /** Why it is refused, for the record. */
  refusal?: string | undefined
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
  if (!caller || !credential) throw new Error('unreachable: an authenticated client without a credential')
  return { caller, credential }
}

export interface ClientAuthenticationOptions {
  issuer: string
  tokenEndpoint: string
  findCaller: (clientId: string) => Promise<Caller | undefined>
  /** Where a client may return to, and how it has to ask. */
  findRegistration: (clientId: string) => Promise<Registration | undefined>
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
    selectForVerify: ({ kid }) => candidates(attemptOf(requireContext()), kid, now()),
    getKeyObject(credential) {
      triedKeys.set(requireContext(), credential as CallerCredential)
      return publicKey(credential as CallerCredential)
    },
    fresh: () => true,
  })

  const proven = (ctx: KoaContext, credential: CallerCredential) => {
    const attempt = attemptOf(ctx)
    attempt.credential = credential
    const address = addressOf(ctx.req)
    limit.succeeded(attempt.client ?? '', address)
    journal.used(credential.id, address)
  }

  provider.OIDCContext.prototype.clientJwtAuthExpectedAudience = () => new Set([issuer, tokenEndpoint])

  provider.Client.find = async id => {
    const ctx = Provider.ctx
    // RFC 6749 appendix A.1: client ids are visible ASCII.
    if (!ctx || typeof id !== 'string' || !/^[\x20-\x7e]{1,500}$/.test(id)) return undefined
    const { route } = ctx.oidc
    const registration = ASKING.has(route) ? await available(findRegistration(id)) : undefined
    if (AT_THE_BROWSER.has(route)) return registration && clients(id, 'none', registration)
    const attempt = attemptOf(ctx)
    attempt.client = id
    const waitSeconds = limit.waitSeconds(id, addressOf(ctx.req))
    if (waitSeconds > 0) {
      ctx.set('retry-after', String(waitSeconds))
      throw tooManyFailures()
    }
    const caller = await available(findCaller(id))
    if (caller) attempt.caller = caller
    attempt.refusal = caller ? caller.barred : 'client_unknown'
    if (ASKING.has(route) && !registration) attempt.refusal = 'redirect_missing'
    const method = methodOf(ctx)
    // Before anybody has taken it on it can ask all the same, by pushing or through a browser.
    if (!caller && registration && method === 'none') return clients(id, 'none', registration)
    if (attempt.refusal !== undefined) return undefined
    const open = caller?.credentials.find(({ kind }) => kind === 'public')
    if (method !== 'none' || !open) return clients(id, method === 'key' ? 'key' : 'secret', registration)
    if (hasExpired(open, now())) return undefined
    // It has nothing to prove itself by: the code with its verifier, or the refresh token, has to do.
    attempt.credential = open
    journal.used(open.id, addressOf(ctx.req))
    return clients(id, 'none', registration)
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
    if (first && tried) proven(ctx, tried)
    else attemptOf(ctx).refusal = 'assertion_replayed'
    return first
  }
}

/** Where nobody proves anything: the browser of a person carries the request of a client. */
const AT_THE_BROWSER = new Set(['authorization', 'resume'])
/** Where a request for authorization is taken. */
const ASKING = new Set([...AT_THE_BROWSER, 'pushed_authorization_request'])

function matchSecret({ caller }: Attempt, secret: string): CallerCredential | undefined {
  const hash = Buffer.from(hashSecret(secret))
  let match: CallerCredential | undefined
  for (const credential of caller?.credentials ?? []) {
    if (credential.secretHash === null) continue
    const stored = Buffer.from(credential.secretHash)
    if (stored.length === hash.length && timingSafeEqual(stored, hash)) match = credential
  }
  return match
}

/** How a request means to prove who sends it. */
function methodOf(ctx: KoaContext): 'secret' | 'key' | 'none' {
  const { client_assertion, client_secret } = ctx.oidc.params
  if (client_assertion !== undefined) return 'key'
  return client_secret === undefined && ctx.get('authorization') === '' ? 'none' : 'secret'
}

/** The key that was tried last; the verified one, once the signature holds. */
const triedKeys = new WeakMap<KoaContext, CallerCredential>()

const MAX_KEYS = 10_000

/** The live keys that may have signed: the one that `kid` names, by our id or the key's own; else all are tried. */
function candidates(attempt: Attempt, kid: string | undefined, now: number): CallerCredential[] {
  const keys = (attempt.caller?.credentials ?? []).filter(credential => credential.kind === 'key')
  const named = keys.filter(credential => credential.id === kid || publicKey(credential)?.kid === kid)
  const wanted = kid !== undefined && named.length > 0 ? named : keys
  const live = wanted.filter(credential => !hasExpired(credential, now))
  if (keys.length === 0) attempt.refusal = 'key_missing'
  else if (live.length === 0) attempt.refusal = 'credential_expired'
  return live
}

/** Parsed once a text, so that jose keeps the imported key with the object. */
const parsedKeys = new Map<string, JWK>()

function publicKey(credential: CallerCredential): JWK | undefined {
  const text = credential.publicJwk
  if (text === null) return undefined
  const known = parsedKeys.get(text)
  if (known) return known
  const key = JSON.parse(text) as JWK
  if (parsedKeys.size >= MAX_KEYS) parsedKeys.clear()
  parsedKeys.set(text, key)
  return key
}

function hasExpired(credential: CallerCredential, now: number): boolean {
  return credential.expiresAt !== null && credential.expiresAt <= now
}

function requireContext(): KoaContext {
  const ctx = Provider.ctx
  if (!ctx) throw new errors.InvalidClientAuth('outside of a request')
  return ctx
}
