import { hash } from 'node:crypto'
import type { Clock } from '../../core/index.ts'
import { type Proof, readProof } from '../../dpop/index.ts'
import { createNonces, NONCE_SECONDS } from './nonces.ts'
import { createSeenProofs } from './seen-proofs.ts'

/** How proofs of possession are checked, where that is not as usual. */
export interface ProofOptions {
  /** How old a proof may be: 60 unless said otherwise. */
  maxAgeSeconds?: number
  /** Demands a nonce of this start in every proof, so that none can be made in advance. */
  nonces?: boolean
}

/** The request that a proof came with. */
export interface Proven {
  /** The DPoP header; undefined without one. */
  proof: string | undefined
  method: string
  token: string
  /** Thumbprint of the key that the token is bound to. */
  jkt: string
  /** The body exactly as it was sent; undefined where that is not known any more. */
  body: string | undefined
}

export interface ProofFault {
  error: 'invalid_dpop_proof' | 'use_dpop_nonce' | 'invalid_token'
  detail: string
  /** To be put into the next proof. */
  nonce?: string
}

export type ProofCheck = (request: Proven) => ProofFault | null

const MAX_AGE_SECONDS = 60
const AHEAD_SECONDS = 10

/**
 * Checks that whoever shows a token holds the key that it is bound to (RFC 9449 section 4.3): a proof made just now, for
 * this method, this server, this token, and never shown before. Where it may have been shown and is not remembered, as
 * to an earlier start, it needs a nonce.
 */
export function createProofCheck(server: URL, clock: Clock, options: ProofOptions = {}): ProofCheck {
  const { maxAgeSeconds = MAX_AGE_SECONDS, nonces: isNonceDemanded = false } = options
  const nonces = createNonces(clock)
  const keepSeconds = Math.max(maxAgeSeconds + 3 * AHEAD_SECONDS, NONCE_SECONDS)
  const seen = createSeenProofs({ keepSeconds, aheadSeconds: AHEAD_SECONDS, clock })
  const isSameUrl = compareTo(server)

  function isInTime({ iat }: Proof): boolean {
    const age = clock.now() / 1000 - iat
    return age <= maxAgeSeconds && age >= -AHEAD_SECONDS
  }

  function checkNonce({ iat, nonce }: Proof): ProofFault | null {
    if ((!isNonceDemanded && !seen.mayHaveForgotten(iat)) || nonces.accepts(nonce)) return null
    const detail = 'its proof needs the nonce that comes with this answer'
    return { error: 'use_dpop_nonce', detail, nonce: nonces.current() }
  }

  return ({ proof: text, method, token, jkt, body }) => {
    if (text === undefined) return fault('no proof came with it', 'invalid_token')
    const proof = readProof(text)
    if (typeof proof === 'string') return fault(`its proof is not usable: ${proof}`)
    if (proof.thumbprint !== jkt) return fault('it is bound to another key than the proof', 'invalid_token')
    if (proof.ath !== hash('sha256', token, 'base64url')) return fault('its proof is for another token')
    if (proof.htm !== method) return fault('its proof is for another method')
    if (!isSameUrl(proof.htu)) return fault('its proof is for another address')
    if (!isInTime(proof)) return fault('its proof was not made just now: check the clock')
    if (!holdsDigest(proof, body)) return fault('its proof is for another body')
    const nonce = checkNonce(proof)
    if (nonce) return nonce
    if (!proof.isSigned()) return fault('its proof has a wrong signature')
    const taken = seen.take(proof)
    if (taken === 'again') return fault('its proof was shown before')
    return taken === 'full' ? fault('there were too many proofs lately') : null
  }
}

function fault(detail: string, error: ProofFault['error'] = 'invalid_dpop_proof'): ProofFault {
  return { error, detail }
}

/** The server as it is registered, whatever stands before it; query and fragment do not count (RFC 9449 section 4.3). */
function compareTo(server: URL): (htu: string) => boolean {
  const own = server.href
  return htu => {
    if (htu === own) return true
    const url = URL.parse(htu)
    if (!url) return false
    url.search = ''
    url.hash = ''
    return url.href === own
  }
}

/** SEP-1932: the proof may also bind the body. Where it does, the body must be known as it was sent. */
function holdsDigest({ content_digest: digest }: Proof, body: string | undefined): boolean {
  if (digest === undefined) return true
  return body !== undefined && digest === `sha-256=:${hash('sha256', body, 'base64')}:`
}
