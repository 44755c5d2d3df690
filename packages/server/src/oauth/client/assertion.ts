import { errors } from 'oidc-provider'

const MAX_LIFETIME_SECONDS = 300
/** Also what oidc-provider grants to `exp` and `nbf`. */
export const CLOCK_SKEW_SECONDS = 15
const MAX_JTI_LENGTH = 256
const TYPES: unknown[] = [undefined, 'JWT', 'client-authentication+jwt']

/** How a client assertion was addressed: to the issuer, as it must be, or in the way of old clients. */
export type Addressing = 'issuer' | 'legacy'

/**
 * Holds a client assertion, whose signature is verified already, to rfc7523bis: addressed to the issuer alone, short,
 * and with an id that can be used once. Old clients may be allowed to name the token endpoint.
 */
export function checkAssertion(
  claims: Record<string, unknown>,
  header: Record<string, unknown>,
  expected: { issuer: string; tokenEndpoint: string; legacyAudience: boolean; now: number },
): Addressing {
  const refuse = (detail: string): never => {
    throw new errors.InvalidClientAuth(detail)
  }
  const { aud, exp, iat, jti } = claims
  const nowSeconds = expected.now / 1000
  if (!TYPES.includes(header['typ'])) refuse('assertion_type')
  if (typeof jti !== 'string' || jti.length > MAX_JTI_LENGTH) refuse('assertion_jti')
  if (typeof exp !== 'number' || exp > nowSeconds + MAX_LIFETIME_SECONDS + CLOCK_SKEW_SECONDS)
    return refuse('assertion_lifetime')
  if (exp <= nowSeconds - CLOCK_SKEW_SECONDS) refuse('assertion_expired')
  if (iat !== undefined) {
    if (typeof iat !== 'number' || iat > nowSeconds + CLOCK_SKEW_SECONDS) return refuse('assertion_iat')
    if (exp - iat > MAX_LIFETIME_SECONDS) refuse('assertion_lifetime')
  }
  if (aud === expected.issuer) return 'issuer'
  const named = Array.isArray(aud) ? aud : [aud]
  const known = named.every(value => value === expected.issuer || value === expected.tokenEndpoint)
  if (!expected.legacyAudience || named.length === 0 || !known) refuse('assertion_audience')
  return 'legacy'
}
