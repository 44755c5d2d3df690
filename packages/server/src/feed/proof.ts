import { AppError, type RegisterRequest } from '@valetkey/sdk/core'
import { calculateJwkThumbprint, importJWK, type JWK, jwtVerify } from 'jose'
import * as z from 'zod'

/** What a proven registration says: the point's id, its key, and the mark by which the proof is used only once. */
export interface ProvenKey {
  point: string
  publicJwk: JWK
  sealingJwk: JWK | null
  proofId: string
}

export const PROOF_SECONDS = 60

const EcKey = z.object({ kty: z.literal('EC'), crv: z.literal('P-256'), x: z.string(), y: z.string() })
const SigningJwk = z.discriminatedUnion('kty', [
  EcKey,
  z.object({ kty: z.literal('OKP'), crv: z.literal('Ed25519'), x: z.string() }),
])
const SealingJwk = z.discriminatedUnion('kty', [
  EcKey,
  z.object({ kty: z.literal('OKP'), crv: z.literal('X25519'), x: z.string() }),
])
const ProofClaims = z.object({ iat: z.number(), jti: z.string().min(8).max(200), skh: z.string() })

/**
 * Checks that whoever registers holds the point's private key now, and meant this server key and this issuer: the proof
 * of another registration, or of another environment, is of no use.
 */
export async function verifyProof(
  request: RegisterRequest,
  expected: { issuer: string; serverKeyHash: string; now: number },
): Promise<ProvenKey> {
  const publicJwk = parseKey('publicJwk', SigningJwk, request.publicJwk)
  const sealingJwk = request.sealingJwk && parseKey('sealingJwk', SealingJwk, request.sealingJwk)
  if (sealingJwk && request.kind !== 'gateway')
    throw new AppError('request.invalid', 'Only a gateway has a sealing key.', { path: 'sealingJwk' })
  const claims = await verifyClaims(request.proof, publicJwk, expected)
  if (claims.skh !== expected.serverKeyHash) throw refused('names another server key')
  if (Math.abs(expected.now / 1000 - claims.iat) > PROOF_SECONDS)
    throw refused(`was not made within the last ${PROOF_SECONDS} seconds; compare the clocks`)
  const thumbprint = await calculateJwkThumbprint(publicJwk)
  return { point: `pnt_${thumbprint.slice(0, 26)}`, publicJwk, sealingJwk, proofId: claims.jti }
}

async function verifyClaims(
  proof: string,
  publicJwk: z.infer<typeof SigningJwk>,
  expected: { issuer: string; now: number },
): Promise<z.infer<typeof ProofClaims>> {
  const algorithm = publicJwk.kty === 'EC' ? 'ES256' : 'EdDSA'
  try {
    const key = await importJWK(publicJwk, algorithm)
    const { payload } = await jwtVerify(proof, key, {
      audience: expected.issuer,
      algorithms: [algorithm],
      currentDate: new Date(expected.now),
    })
    return ProofClaims.parse(payload)
  } catch (cause) {
    throw refused('is not signed by this key for this issuer', cause)
  }
}

function parseKey<T>(path: string, schema: z.ZodType<T>, jwk: Record<string, unknown>): T {
  if ('d' in jwk)
    throw new AppError('request.invalid', 'This is a private key; treat it as leaked and make a new one.', {
      path,
    })
  const parsed = schema.safeParse(jwk)
  if (!parsed.success)
    throw new AppError('request.invalid', `${path} is not a key of a supported kind.`, { path })
  return parsed.data
}

function refused(why: string, cause?: unknown): AppError {
  return new AppError('auth.invalid', `The proof of the enforcement point's key ${why}.`, { cause })
}
