import { createHash } from 'node:crypto'
import {
  createLocalJWKSet,
  decodeJwt,
  decodeProtectedHeader,
  type JWTPayload,
  errors as jose,
  jwtVerify,
} from 'jose'
import { CLOCK_SKEW_SECONDS } from '../client/assertion.ts'
import type { IssuerKeys } from './issuer-keys.ts'
import type { Issuer } from './issuers.ts'

/** What an issuer has said, or why it does not count; for the record. */
export type Said = { ok: true; claims: JWTPayload } | { ok: false; reason: string }

/** The type of an assertion about a person (ID-JAG). */
export const ID_JAG_TYPE = 'oauth-id-jag+jwt'

/** None that takes a secret, and none that takes nothing. */
const ALGORITHMS = ['ES256', 'RS256', 'PS256', 'EdDSA', 'Ed25519']
const MOST_LENGTH = 16 * 1024

/**
 * Holds an assertion (RFC 7523 §3) to what an issuer can have said: signed by a key of that issuer, of the type that is
 * meant, addressed to this authority and nobody else, not ended and not for long. Keys and addresses that it names itself
 * count for nothing.
 */
export async function readAssertion(
  assertion: string,
  expected: {
    issuer: Issuer
    keysOfIssuer: IssuerKeys
    types: readonly (string | undefined)[]
    /** To what of ours it may be addressed. */
    audiences: readonly string[]
    longestSeconds: number
    now: () => number
  },
): Promise<Said> {
  const { issuer, types, audiences, longestSeconds } = expected
  const now = expected.now()
  if (assertion.length > MOST_LENGTH) return { ok: false, reason: 'assertion_form' }
  try {
    const { payload, protectedHeader } = await jwtVerify(
      assertion,
      async (header, token) => {
        const keys = await expected.keysOfIssuer(issuer, header.kid)
        return createLocalJWKSet({ keys: [...keys] })(header, token)
      },
      {
        algorithms: ALGORITHMS,
        requiredClaims: ['sub', 'aud', 'exp'],
        clockTolerance: CLOCK_SKEW_SECONDS,
        currentDate: new Date(now),
        // A JWT-SVID may be without `iss`: whose it is, its subject says, which was looked at before.
        ...(!issuer.issuer.startsWith('spiffe:') && { issuer: issuer.issuer }),
      },
    )
    if (!types.includes(protectedHeader.typ)) return { ok: false, reason: 'assertion_type' }
    const [audience = '', ...others] = [payload.aud ?? []].flat()
    if (others.length > 0 || !audiences.includes(audience)) return { ok: false, reason: 'assertion_audience' }
    const begun = payload.iat ?? payload.nbf ?? now / 1000
    if (begun > now / 1000 + CLOCK_SKEW_SECONDS) return { ok: false, reason: 'assertion_iat' }
    if ((payload.exp ?? 0) - begun > longestSeconds) return { ok: false, reason: 'assertion_lifetime' }
    return { ok: true, claims: payload }
  } catch (error) {
    if (error instanceof jose.JOSEError) return { ok: false, reason: `assertion ${error.code}` }
    throw error
  }
}

/** By which an assertion is known again: its id, or all that is signed. The signature itself can be written in two ways. */
export function onceOf(
  assertion: string,
  { iss, jti, exp = 0 }: JWTPayload,
): { id: string; expiresAt: number } {
  const own = jti === undefined ? assertion.slice(0, assertion.lastIndexOf('.')) : `${iss}\n${jti}`
  const id = createHash('sha256').update(`assertion\n${own}`).digest('base64url')
  return { id, expiresAt: (exp + CLOCK_SKEW_SECONDS) * 1000 }
}

/** Whose word it claims to be. */
export function issuerIn(assertion: string): string | undefined {
  try {
    return decodeJwt(assertion).iss
  } catch {
    return undefined
  }
}

/** Whether it says which person an agent acts for; what it says is looked at later. */
export function isAboutPerson(assertion: string): boolean {
  try {
    return decodeProtectedHeader(assertion).typ === ID_JAG_TYPE
  } catch {
    return false
  }
}
