import { AccessTokenClaims } from '@valetkey/sdk/core'
import { createLocalJWKSet, errors, jwtVerify } from 'jose'
import type { Store } from '../store/index.ts'
import { readPublicKeys, type SigningKey } from './signing-key.ts'

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
    const { payload } = await jwtVerify(token, keys, {
      issuer,
      typ: 'at+jwt',
      algorithms: ['ES256', 'EdDSA'],
      currentDate: new Date(now),
    })
    return AccessTokenClaims.safeParse(payload).data
  } catch (error) {
    if (error instanceof errors.JOSEError) return undefined
    throw error
  }
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}
