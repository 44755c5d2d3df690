import { hash, randomFillSync } from 'node:crypto'

const KEY_BYTES = 16
/** Of its base64url. */
const KEY_LENGTH = 22
const BLOCK_BYTES = 64
const POOL_BYTES = 4096
const pool = Buffer.alloc(POOL_BYTES)
let used = POOL_BYTES

/** The key of one commitment: 128 random bits, base64url. Without it nobody can find out by trying what was committed to. */
export function newCommitmentKey(): string {
  if (used + KEY_BYTES > POOL_BYTES) {
    randomFillSync(pool)
    used = 0
  }
  used += KEY_BYTES
  return pool.toString('base64url', used - KEY_BYTES, used)
}

const INNER_PAD = 0x36
const OUTER_PAD = 0x5c

/** Each begins with a block of its padding, in which only the key changes. Nothing is awaited while they are in use. */
const room = Buffer.alloc(8_192, INNER_PAD)
const outer = Buffer.alloc(BLOCK_BYTES + 32, OUTER_PAD)

/**
 * Commits to a text: HMAC-SHA256 (RFC 2104) under a key of its own, base64url. Whoever has text and key can check it;
 * once both are erased, what is left tells nothing.
 */
export function commitTo(text: string, key: string): string {
  // By hand, because making a HMAC object costs ten times as much as the two hashes.
  const length = BLOCK_BYTES + Buffer.byteLength(text)
  const inner = length <= room.length ? room.subarray(0, length) : Buffer.alloc(length, INNER_PAD)
  if (key.length !== KEY_LENGTH || inner.write(key, 0, KEY_BYTES, 'base64url') !== KEY_BYTES)
    throw new RangeError('The key of a commitment has 16 bytes.')
  for (let i = 0; i < KEY_BYTES; i++) {
    const byte = inner[i] ?? 0
    inner[i] = byte ^ INNER_PAD
    outer[i] = byte ^ OUTER_PAD
  }
  inner.write(text, BLOCK_BYTES)
  outer.write(hash('sha256', inner, 'binary'), BLOCK_BYTES, 'latin1')
  return hash('sha256', outer, 'base64url')
}
