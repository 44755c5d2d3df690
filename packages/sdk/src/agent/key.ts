import { type CryptoKey, calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, type JWK } from 'jose'
import { AppError } from '../core/index.ts'

/** A new key pair for an agent. The private part stays with the agent; only the public part is registered. */
export interface AgentKey {
  privateKey: JWK
  publicKey: JWK
}

/**
 * Makes a key by which an agent proves itself.
 * @example const { privateKey, publicKey } = await generateAgentKey()
 */
export async function generateAgentKey(alg: 'ES256' | 'EdDSA' = 'ES256'): Promise<AgentKey> {
  const pair = await generateKeyPair(alg, { extractable: true })
  const publicJwk = await exportJWK(pair.publicKey)
  const names = { kid: await calculateJwkThumbprint(publicJwk), alg }
  return {
    privateKey: { ...(await exportJWK(pair.privateKey)), ...names },
    publicKey: { ...publicJwk, ...names },
  }
}

/** A key that can sign, and what the header of its signatures says. */
export interface Signer {
  key: CryptoKey
  header: { alg: string; kid?: string }
}

export async function openKey(key: JWK | CryptoKey): Promise<Signer> {
  if (key instanceof globalThis.CryptoKey) return { key, header: { alg: algorithmOf(key.algorithm) } }
  const alg = key.alg ?? algorithmOf({ name: key.crv ?? key.kty ?? '', namedCurve: key.crv })
  const imported = await importJWK(key, alg)
  if (key.d === undefined || imported instanceof Uint8Array)
    throw new AppError('config.invalid', 'The key of an agent must be a private key.')
  return { key: imported, header: { alg, ...(key.kid === undefined ? {} : { kid: key.kid }) } }
}

function algorithmOf(algorithm: { name: string; namedCurve?: unknown; hash?: unknown }): string {
  const { name, namedCurve } = algorithm
  if (namedCurve === 'P-256') return 'ES256'
  if (namedCurve === 'P-384') return 'ES384'
  if (name === 'Ed25519') return 'EdDSA'
  if (name === 'RSASSA-PKCS1-v1_5' || name === 'RSA') return 'RS256'
  if (name === 'RSA-PSS') return 'PS256'
  throw new AppError('config.invalid', `A key of the kind "${name}" cannot sign for an agent.`)
}
