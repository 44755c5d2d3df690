import { createPublicKey, hash, type KeyObject, verify } from 'node:crypto'
import * as z from 'zod'

/** The algorithms that a proof may be signed with, each with a key of its own kind. */
export const PROOF_ALGORITHMS = ['ES256', 'EdDSA', 'Ed25519'] as const

const Claims = z.object({
  jti: z.string().min(1).max(256),
  htm: z.string(),
  htu: z.string().max(2048),
  iat: z.number(),
  /** Hash of the access token that it is shown with. */
  ath: z.string().optional(),
  nonce: z.string().optional(),
  content_digest: z.string().optional(),
})

/** What a proof says (RFC 9449 section 4.2), and by which key. */
export interface Proof extends z.infer<typeof Claims> {
  /** Thumbprint of the key that it carries (RFC 7638). */
  thumbprint: string
  /** Whether that key signed it: looked at last, because it is what costs. */
  isSigned(): boolean
}

const PRIVATE = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k']
const PublicJwk = z
  .discriminatedUnion('kty', [
    z.looseObject({ kty: z.literal('EC'), crv: z.literal('P-256'), x: z.string(), y: z.string() }),
    z.looseObject({ kty: z.literal('OKP'), crv: z.literal('Ed25519'), x: z.string() }),
  ])
  .refine(jwk => !PRIVATE.some(member => member in jwk))

const Header = z.object({
  typ: z.literal('dpop+jwt'),
  alg: z.enum(PROOF_ALGORITHMS),
  jwk: PublicJwk,
  crit: z.undefined().optional(),
})
type Header = z.infer<typeof Header>

const LONGEST_PROOF = 8_192
const FORM = /^([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)$/

/** Reads a proof, or says what is wrong with it. More than one DPoP header arrives as one with a comma, and is none. */
export function readProof(text: string): Proof | string {
  const [, headerPart = '', claimsPart = '', signaturePart = ''] =
    (text.length <= LONGEST_PROOF && FORM.exec(text)) || []
  if (headerPart === '') return 'it is not one JWT'
  const header = Header.safeParse(parsePart(headerPart))
  if (!header.success) return `its header is not that of a proof (${header.error.issues[0]?.path.join('.')})`
  const { alg, jwk } = header.data
  if ((alg === 'ES256') !== (jwk.kty === 'EC')) return 'its algorithm is not one for its key'
  const claims = Claims.safeParse(parsePart(claimsPart))
  if (!claims.success) return `it lacks the claim ${claims.error.issues[0]?.path.join('.')}`
  const thumbprint = thumbprintOf(jwk)
  return {
    ...claims.data,
    thumbprint,
    isSigned() {
      const key = keyOf(thumbprint, jwk)
      const signed = Buffer.from(`${headerPart}.${claimsPart}`)
      const signature = Buffer.from(signaturePart, 'base64url')
      if (!key) return false
      return verify(alg === 'ES256' ? 'sha256' : null, signed, { key, dsaEncoding: 'ieee-p1363' }, signature)
    },
  }
}

function parsePart(part: string): unknown {
  try {
    return JSON.parse(Buffer.from(part, 'base64url').toString())
  } catch {
    return undefined
  }
}

/** RFC 7638 section 3: the required members in the order of their names. */
function thumbprintOf(jwk: Header['jwk']): string {
  const { crv, kty, x } = jwk
  return hash(
    'sha256',
    JSON.stringify(kty === 'EC' ? { crv, kty, x, y: jwk.y } : { crv, kty, x }),
    'base64url',
  )
}

const MOST_KEYS = 10_000
const keys = new Map<string, KeyObject>()

/** Made once a key, as long as not too many others come: it takes a third of what verifying takes. */
function keyOf(thumbprint: string, jwk: Header['jwk']): KeyObject | undefined {
  const known = keys.get(thumbprint)
  if (known) return known
  try {
    const { kty, crv, x } = jwk
    const key = createPublicKey({ key: { kty, crv, x, ...(kty === 'EC' && { y: jwk.y }) }, format: 'jwk' })
    keys.set(thumbprint, key)
    if (keys.size > MOST_KEYS) keys.delete(keys.keys().next().value ?? '')
    return key
  } catch {
    return undefined
  }
}
