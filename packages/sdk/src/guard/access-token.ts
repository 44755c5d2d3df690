import { hash } from 'node:crypto'
import { type CryptoKey, errors, importJWK, type JWTHeaderParameters, jwtVerify } from 'jose'
import * as z from 'zod'
import { AccessTokenClaims, type SigningKeyFact } from '../core/index.ts'
import { type Caller, callerOf } from '../engine/index.ts'

export type TokenCheck =
  /** `jkt`: the thumbprint of the key that the token is bound to, whose proof must come with it; null for a bearer token. */
  | { ok: true; caller: Caller; jkt: string | null }
  /** `isOpen`: the key that signed it is not known here, so that the token may well be good. */
  | { ok: false; detail: string; isOpen?: true }

/** What was shown is not even in the form of a token (RFC 6750 section 2.1). */
export const NO_TOKEN: TokenCheck = { ok: false, detail: 'it is not a bearer token' }

const TOKEN = /^[A-Za-z0-9._~+/-]+=*$/
const MOST_TOKENS = 10_000
const SKEW_SECONDS = 5

/**
 * Verifies access tokens: type, an allowed algorithm, a signature by a key of the issuer, this server as the one
 * audience, not expired (RFC 9068 section 4). A verified token is remembered by its SHA-256, never by its text; whether
 * its key still counts is for the decision to say, as of everything else that can be taken back.
 */
export function createTokenCheck(options: {
  issuer: string
  audience: string
  /** The keys of the issuer, as the feed has brought them. */
  findKey(kid: string): SigningKeyFact | undefined
  now(): number
}) {
  const known = new Map<string, TokenCheck | Promise<TokenCheck>>()

  async function verify(token: string): Promise<TokenCheck> {
    try {
      const { payload, protectedHeader } = await jwtVerify(token, header => keyOf(header, options.findKey), {
        issuer: options.issuer,
        audience: options.audience,
        typ: 'at+jwt',
        algorithms: ['ES256', 'EdDSA'],
        clockTolerance: SKEW_SECONDS,
        currentDate: new Date(options.now()),
      })
      if (Array.isArray(payload.aud)) return { ok: false, detail: 'it has more than one audience' }
      const claims = AccessTokenClaims.parse(payload)
      const caller = callerOf(claims, protectedHeader.kid ?? '')
      return { ok: true, caller, jkt: claims.cnf?.jkt ?? null }
    } catch (fault) {
      if (fault instanceof errors.JWKSNoMatchingKey)
        return { ok: false, detail: 'no key of the issuer signed it', isOpen: true }
      return { ok: false, detail: explain(fault) }
    }
  }

  async function verifyOnce(key: string, token: string): Promise<TokenCheck> {
    const pending = verify(token)
    known.set(key, pending)
    if (known.size > MOST_TOKENS) known.delete(known.keys().next().value ?? '')
    const result = await pending
    // A refusal is not remembered: a key may be made known later, and garbage must not push out good tokens.
    if (!result.ok) known.delete(key)
    else if (known.get(key) === pending) known.set(key, result)
    return result
  }

  function unlessExpired(key: string, result: TokenCheck): TokenCheck {
    if (!result.ok || result.caller.expiresAt > options.now()) return result
    known.delete(key)
    return { ok: false, detail: 'it has expired' }
  }

  /** At once for a token that is known, which is nearly every one: nothing is waited for in front of those calls. */
  return function check(token: string): TokenCheck | Promise<TokenCheck> {
    const key = hash('sha256', token, 'binary')
    const result = known.get(key) ?? (TOKEN.test(token) ? verifyOnce(key, token) : NO_TOKEN)
    return result instanceof Promise
      ? result.then(verified => unlessExpired(key, verified))
      : unlessExpired(key, result)
  }
}

/** Imported once a key, for as long as the fact is held. */
const imported = new WeakMap<SigningKeyFact, Promise<CryptoKey | Uint8Array>>()

function keyOf(
  { kid, alg }: JWTHeaderParameters,
  findKey: (kid: string) => SigningKeyFact | undefined,
): Promise<CryptoKey | Uint8Array> {
  const fact = kid === undefined ? undefined : findKey(kid)
  if (!fact || fact.alg !== alg) throw new errors.JWKSNoMatchingKey()
  const key = imported.get(fact) ?? importJWK(fact.publicJwk, fact.alg)
  imported.set(fact, key)
  return key
}

function explain(fault: unknown): string {
  if (fault instanceof errors.JWTExpired) return 'it has expired'
  if (fault instanceof errors.JWTClaimValidationFailed) return `its ${fault.claim} is not the expected one`
  if (fault instanceof errors.JWSSignatureVerificationFailed) return 'its signature is wrong'
  if (fault instanceof errors.JOSEAlgNotAllowed) return 'its algorithm is not allowed'
  if (fault instanceof errors.JOSEError) return 'it is malformed'
  if (fault instanceof z.ZodError) return 'it lacks a claim, or has one that is not understood'
  return 'it could not be verified'
}
