import { hash } from 'node:crypto'
import { createRemoteJWKSet, errors, jwtVerify } from 'jose'
import * as z from 'zod'
import { AccessTokenClaims } from '../core/index.ts'
import { type Caller, callerOf } from '../engine/index.ts'

export type TokenCheck =
  | { ok: true; caller: Caller }
  /** `isOpen`: the keys of the issuer are out of reach, so that the token may well be good. */
  | { ok: false; detail: string; isOpen?: true }

const MOST_TOKENS = 10_000
const SKEW_SECONDS = 5

/**
 * Verifies access tokens: type, an allowed algorithm, a signature by a key of the issuer, this server as the one
 * audience, not expired (RFC 9068 section 4). A verified token is remembered by its SHA-256, never by its text.
 */
export function createTokenCheck(options: {
  issuer: string
  jwksUri: string
  audience: string
  now(): number
}) {
  const keys = createRemoteJWKSet(new URL(options.jwksUri), {
    cooldownDuration: 2_000,
    timeoutDuration: 3_000,
  })
  const known = new Map<string, Promise<TokenCheck>>()

  async function verify(token: string): Promise<TokenCheck> {
    try {
      const { payload } = await jwtVerify(token, keys, {
        issuer: options.issuer,
        audience: options.audience,
        typ: 'at+jwt',
        algorithms: ['ES256', 'EdDSA'],
        clockTolerance: SKEW_SECONDS,
        currentDate: new Date(options.now()),
      })
      if (Array.isArray(payload.aud)) return { ok: false, detail: 'it has more than one audience' }
      return { ok: true, caller: callerOf(AccessTokenClaims.parse(payload)) }
    } catch (fault) {
      if (isKeyFetch(fault))
        return { ok: false, detail: 'the keys of the issuer could not be fetched', isOpen: true }
      return { ok: false, detail: explain(fault) }
    }
  }

  return async function check(token: string): Promise<TokenCheck> {
    const key = hash('sha256', token, 'base64url')
    let result = known.get(key)
    if (!result) {
      result = verify(token)
      known.set(key, result)
      if (known.size > MOST_TOKENS) known.delete(known.keys().next().value ?? '')
      // A refusal is not remembered: the key set may be fetched again, and garbage must not push out good tokens.
      if (!(await result).ok) known.delete(key)
    }
    const checked = await result
    if (checked.ok && checked.caller.expiresAt <= options.now()) {
      known.delete(key)
      return { ok: false, detail: 'it has expired' }
    }
    return checked
  }
}

/** What jose throws for an answer other than a key set, and what fetch throws where there is none. */
function isKeyFetch(fault: unknown): boolean {
  if (fault instanceof errors.JOSEError)
    return fault instanceof errors.JWKSTimeout || fault.code === 'ERR_JOSE_GENERIC'
  return fault instanceof TypeError
}

function explain(fault: unknown): string {
  if (fault instanceof errors.JWTExpired) return 'it has expired'
  if (fault instanceof errors.JWTClaimValidationFailed) return `its ${fault.claim} is not the expected one`
  if (fault instanceof errors.JWKSNoMatchingKey) return 'no key of the issuer signed it'
  if (fault instanceof errors.JWSSignatureVerificationFailed) return 'its signature is wrong'
  if (fault instanceof errors.JOSEAlgNotAllowed) return 'its algorithm is not allowed'
  if (fault instanceof errors.JOSEError) return 'it is malformed'
  if (fault instanceof z.ZodError) return 'it lacks a claim'
  return 'it could not be verified'
}
