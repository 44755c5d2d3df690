import { createHmac, randomBytes } from 'node:crypto'
import type { Clock } from '../../core/index.ts'

/** Nonces by which a proof shows that it was made lately, and for this start (RFC 9449 section 9). None is stored. */
export interface Nonces {
  current(): string
  accepts(nonce: string | undefined): boolean
}

/** How long a nonce is good at most. */
export const NONCE_SECONDS = 60

/** The one of the present half minute is good, and the one before. */
export function createNonces(clock: Clock): Nonces {
  const key = randomBytes(32)
  const slot = () => Math.floor(clock.monotonic() / (NONCE_SECONDS * 500))
  const nonceOf = (at: number) => createHmac('sha256', key).update(String(at)).digest('base64url')
  return {
    current: () => nonceOf(slot()),
    // No secret: whoever asks is told. It only has to be recent.
    accepts: nonce => nonce !== undefined && [0, 1].some(ago => nonce === nonceOf(slot() - ago)),
  }
}
