import { createHash, timingSafeEqual } from 'node:crypto'
import type { KoaContext, Provider } from 'oidc-provider'
import { hashSecret } from '../../store/index.ts'
import { available } from '../trouble.ts'
import { checkAssertion } from './assertion.ts'
import { type Attempt, attemptOf, requireContext } from './attempt.ts'
import type { CallerCredential } from './caller.ts'
import { type ClientFinderOptions, createClientFinder } from './find-client.ts'
import { findKeys, hasExpired, type TriedKey } from './keys.ts'
import { createClients } from './objects.ts'

export interface ClientAuthenticationOptions extends ClientFinderOptions {
  issuer: string
  tokenEndpoint: string
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
  const { issuer, tokenEndpoint, journal, limit, addressOf, now } = options
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
  provider.Client.find = createClientFinder({ ...options, clients, noteProof })

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
