import { createRemoteJWKSet, customFetch } from 'jose'
import type { LimitedFetch } from '../../outbound/index.ts'

/** By which what a provider signs is verified: asymmetric ones only, nobody but the provider can sign. */
export const SIGNATURE_ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
]

type KeySet = ReturnType<typeof createRemoteJWKSet>
const MOST_KEY_SETS = 100

/** The keys that a provider publishes at an address, fetched within limits and again where one is missing. */
export type RemoteKeys = (url: string) => KeySet

export function createRemoteKeys(fetch: LimitedFetch): RemoteKeys {
  const keySets = new Map<string, KeySet>()
  return url => {
    const known = keySets.get(url)
    if (known) return known
    const [oldest] = keySets.keys()
    if (keySets.size >= MOST_KEY_SETS && oldest !== undefined) keySets.delete(oldest)
    const keys = createRemoteJWKSet(new URL(url), {
      [customFetch]: (at: string, init: RequestInit) => fetch(at, init),
    })
    keySets.set(url, keys)
    return keys
  }
}
