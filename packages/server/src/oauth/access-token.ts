import { createLocalJWKSet, errors, type JWTPayload, jwtVerify } from 'jose'
import type { Store } from '../store/index.ts'
import { readPublicKeys, type SigningKey } from './signing-key.ts'

/** What an access token says (RFC 9068, and who acted by which credential); times in seconds since 1970. */
export interface AccessTokenClaims extends JWTPayload {
  iss: string
  sub: string
  aud: string
  exp: number
  iat: number
  jti: string
  client_id: string
  scope: string
  org: string
  agent: string
  cred: string
  /** The grant by which the agent acts for the person who is then `sub`. */
  gid?: string
}

/** Writes access tokens: claims in, `at+jwt` out. */
export function createTokenWriter(key: SigningKey): (claims: AccessTokenClaims) => string {
  const header = encode({ alg: key.alg, typ: 'at+jwt', kid: key.kid })
  return claims => {
    const text = `${header}.${encode(claims)}`
    return `${text}.${key.sign(text)}`
  }
}

/** The claims of a token that this authority signed and that has not ended; undefined for everything else. */
export async function readOwnToken(
  store: Store,
  issuer: string,
  token: string,
  now: number,
): Promise<AccessTokenClaims | undefined> {
  const keys = createLocalJWKSet(await readPublicKeys(store))
  try {
    const { payload } = await jwtVerify<AccessTokenClaims>(token, keys, {
      issuer,
      typ: 'at+jwt',
      algorithms: ['ES256', 'EdDSA'],
      requiredClaims: ['jti', 'exp', 'client_id', 'org', 'agent'],
      currentDate: new Date(now),
    })
    return payload
  } catch (error) {
    if (error instanceof errors.JOSEError) return undefined
    throw error
  }
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}
