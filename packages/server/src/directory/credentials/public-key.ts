import { createPublicKey, type KeyObject } from 'node:crypto'
import { AppError } from '@valetkey/sdk/core'
import { calculateJwkThumbprint, type JWK } from 'jose'

export interface PublicKey {
  /** The members that make the key, in their one canonical encoding, with `kid` where the sender gave one. */
  jwk: JWK
  /** RFC 7638. */
  thumbprint: string
}

const MIN_RSA_BITS = 2048
const MIN_RSA_EXPONENT = 65537n

/**
 * Takes the public key of an agent: P-256, Ed25519, or RSA of 2048 bits or more. Written anew from the key itself, so
 * that one key has one thumbprint however it was spelt, and nothing else that was sent is kept.
 */
export async function parsePublicKey(sent: Record<string, unknown>): Promise<PublicKey> {
  let key: KeyObject
  try {
    key = createPublicKey({ key: sent as JsonWebKeyInput, format: 'jwk' })
  } catch (cause) {
    throw refused('This is not a public key in JWK form (RFC 7517).', cause)
  }
  const fault = faultOf(key)
  if (fault) throw refused(fault)
  const jwk = key.export({ format: 'jwk' }) as JWK
  const thumbprint = await calculateJwkThumbprint(jwk)
  const kid = sent['kid']
  return { jwk: typeof kid === 'string' && kid.length <= 200 ? { ...jwk, kid } : jwk, thumbprint }
}

type JsonWebKeyInput = import('node:crypto').JsonWebKey

function faultOf(key: KeyObject): string | null {
  const { namedCurve, modulusLength = 0, publicExponent = 0n } = key.asymmetricKeyDetails ?? {}
  switch (key.asymmetricKeyType) {
    case 'ed25519':
      return null
    case 'ec':
      return namedCurve === 'prime256v1' ? null : 'Use the curve P-256 for an EC key.'
    case 'rsa':
      if (modulusLength < MIN_RSA_BITS)
        return `Use an RSA key of at least ${MIN_RSA_BITS} bits, not ${modulusLength}.`
      return publicExponent >= MIN_RSA_EXPONENT ? null : 'This RSA key has an unsafe public exponent.'
    default:
      return 'Use a P-256, Ed25519 or RSA key.'
  }
}

function refused(sentence: string, cause?: unknown): AppError {
  return new AppError('request.invalid', sentence, { cause, path: 'publicKey' })
}
