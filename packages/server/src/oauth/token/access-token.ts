import { AccessTokenClaims } from '@valetkey/sdk/core'
import { createLocalJWKSet, errors, jwtVerify } from 'jose'
import type * as z from 'zod'
import type { Store } from '../../store/index.ts'
import { openSigningKeys, readPublicKeys, type SigningKey } from '../keys/signing-key.ts'
import type { ProvenKey } from './proof-of-possession.ts'

/** What a token says that is issued here; one of a receiver of security events names no agent. */
export const IssuedClaims = AccessTokenClaims.partial({ agent: true })
export type IssuedClaims = z.infer<typeof IssuedClaims>

/** Writes an access token (`at+jwt`), bound to the key that was proven, as of a catalogue revision that was read in this request. */
export type TokenWriter = (claims: IssuedClaims, key: ProvenKey, catalogueRevision: string) => Promise<string>

/** Signs with the key whose turn it is. Keys are read again when the catalogue's revision moves, as it does with every change of keys. */
export function createTokenWriter(store: Store, now: () => number): TokenWriter {
  let revision: string | undefined
  let keys: SigningKey[] = []
  return async (claims, { jkt }, catalogueRevision) => {
    if (revision !== catalogueRevision) {
      keys = await openSigningKeys(store)
      revision = catalogueRevision
    }
    const bound = jkt === undefined ? claims : { ...claims, cnf: { jkt } }
    const key = keys.findLast(({ activeFrom }) => activeFrom <= now())
    if (!key) throw new Error('there is no key to sign with')
    const text = `${encode({ alg: key.alg, typ: 'at+jwt', kid: key.kid })}.${encode(bound)}`
    return `${text}.${key.sign(text)}`
  }
}

/** A token that this authority signed and that has not ended. */
export interface OwnToken<Claims = AccessTokenClaims> {
  claims: Claims
  key: string
}

/** Reads a token of an agent; undefined for everything that is none of ours, or has ended. */
export async function readOwnToken(
  store: Store,
  issuer: string,
  token: string,
  now: number,
): Promise<OwnToken | undefined> {
  const issued = await readIssuedToken(store, issuer, token, now)
  const claims = issued && AccessTokenClaims.safeParse(issued.claims).data
  return claims && { ...issued, claims }
}

/** The same for whomever it was issued to. */
export async function readIssuedToken(
  store: Store,
  issuer: string,
  token: string,
  now: number,
): Promise<OwnToken<IssuedClaims> | undefined> {
  const keys = createLocalJWKSet(await readPublicKeys(store))
  try {
    const { payload, protectedHeader } = await jwtVerify(token, keys, {
      issuer,
      typ: 'at+jwt',
      algorithms: ['ES256', 'EdDSA'],
      currentDate: new Date(now),
    })
    const claims = IssuedClaims.safeParse(payload).data
    return claims && { claims, key: protectedHeader.kid ?? '' }
  } catch (error) {
    if (error instanceof errors.JOSEError) return undefined
    throw error
  }
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}
