import { createHmac, hash } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { type Proof, readProof } from '@valetkey/sdk/dpop'
import { errors, type KoaContext } from 'oidc-provider'
import { provenCaller, provenReceiver } from '../client/attempt.ts'
import type { Journal } from '../journal.ts'
import { available } from '../trouble.ts'

export interface ProofOptions {
  issuer: string
  journal: Journal
  nonces: Nonces
  now: () => number
}

declare const proven: unique symbol
/** What a request has shown about a key; only `provenKey` makes one, so that no token is written without asking. */
export interface ProvenKey {
  /** Thumbprint of the key that tokens are bound to; undefined where they are for whoever bears them. */
  readonly jkt: string | undefined
  readonly [proven]: true
}

const MAX_AGE_SECONDS = 60
const AHEAD_SECONDS = 10
const KEPT_MS = (MAX_AGE_SECONDS + 2 * AHEAD_SECONDS) * 1000

/** A proof as it came, and what for. */
interface Shown {
  text: string
  method: string | undefined
  /** The endpoint's path below the issuer. */
  path: string
  needsNonce: boolean
  tellNonce(nonce: string): void
}

/**
 * The key that an authenticated request proves to hold (RFC 9449 §5), looked at before anything is used up. Of an agent that
 * must bind its tokens a proof is required, with a nonce, so that none can have been made in advance.
 */
export async function provenKey(options: ProofOptions, ctx: KoaContext, path = '/token'): Promise<ProvenKey> {
  // The CAEP interoperability profile has receivers of security events bear their tokens (section 2.7.3).
  if (provenReceiver(ctx)) return { jkt: undefined } as ProvenKey
  const { caller } = provenCaller(ctx)
  const text = ctx.get('dpop')
  if (text === '') {
    if (caller.dpop) throw unproven('this client binds its tokens to a key: send a proof of it')
    return { jkt: undefined } as ProvenKey
  }
  const { method } = ctx.req
  const tellNonce = (nonce: string) => {
    ctx.set('dpop-nonce', nonce)
    ctx.set('access-control-expose-headers', 'DPoP-Nonce')
  }
  const shown = { text, method, path, needsNonce: caller.dpop, tellNonce }
  return { jkt: await checkProof(options, shown) } as ProvenKey
}

/** The key that a request of an MCP server proves to hold: always one, with a nonce, since a server's own key is borne. */
export async function provenServerKey(
  options: ProofOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<ProvenKey> {
  const text = request.headers['dpop']
  if (typeof text !== 'string') throw unproven('a forwarded token is bound to a key: send a proof of it')
  const tellNonce = (nonce: string) => void response.setHeader('dpop-nonce', nonce)
  const shown = { text, method: request.method, path: '/token', needsNonce: true, tellNonce }
  return { jkt: await checkProof(options, shown) } as ProvenKey
}

/** Thumbprint of the key of a proof that was made just now, for this endpoint, and never shown before on any node. */
export async function checkProof(options: ProofOptions, shown: Shown): Promise<string> {
  const { issuer, nonces, journal, now } = options
  const proof = readProof(shown.text)
  if (typeof proof === 'string') throw unproven(`the proof is not usable: ${proof}`)
  if (proof.htm !== shown.method) throw unproven('the proof is for another method')
  if (!isFor(proof, issuer + shown.path)) throw unproven('the proof is for another address')
  const age = now() / 1000 - proof.iat
  if (age > MAX_AGE_SECONDS || age < -AHEAD_SECONDS)
    throw unproven('the proof was not made just now: check the clock')
  if ((shown.needsNonce || proof.nonce !== undefined) && !nonces.accepts(proof.nonce)) {
    shown.tellNonce(nonces.current())
    throw new errors.UseDpopNonce('the proof needs the nonce that comes with this answer')
  }
  if (!proof.isSigned()) throw unproven('the proof has a wrong signature')
  const id = hash('sha256', `dpop\n${proof.thumbprint}\n${proof.jti}`, 'base64url')
  if (!(await available(journal.useOnce(id, now() + KEPT_MS)))) throw unproven('the proof was shown before')
  shown.tellNonce(nonces.current())
  return proof.thumbprint
}

/** How a token that is written for this key must be shown. */
export function tokenTypeOf({ jkt }: ProvenKey): 'Bearer' | 'DPoP' {
  return jkt === undefined ? 'Bearer' : 'DPoP'
}

/** Query and fragment do not count (RFC 9449 §4.3); the address is the one of the metadata, whatever stands before it. */
function isFor({ htu }: Proof, endpoint: string): boolean {
  const url = URL.parse(htu)
  if (!url) return false
  url.search = ''
  url.hash = ''
  return url.href === endpoint
}

function unproven(description: string): Error {
  return new errors.InvalidDpopProof(description)
}

/** Nonces by which a proof shows that it was made lately (RFC 9449 §8). None is stored, and all nodes know them. */
export interface Nonces {
  current(): string
  accepts(nonce: string | undefined): boolean
}

const SLOT_MS = 30_000

/** The one of the present half minute is good, the one before, and for nodes whose clock goes ahead the next. */
export function createNonces(key: string, now: () => number): Nonces {
  const slot = () => Math.floor(now() / SLOT_MS)
  const nonceOf = (at: number) => createHmac('sha256', key).update(`nonce\n${at}`).digest('base64url')
  return {
    current: () => nonceOf(slot()),
    // No secret: whoever asks is told. It only has to be recent.
    accepts: nonce => nonce !== undefined && [0, -1, 1].some(near => nonce === nonceOf(slot() + near)),
  }
}
