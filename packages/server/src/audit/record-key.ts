import { sha256 } from '@valetkey/sdk/evidence'

/** How a record is found by its id: 16 bytes that sort by age. `at` is the time in the id; null where it has none. */
export interface RecordKey {
  bytes: Buffer
  at: number | null
}

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz'
/** Values of digits by their code. */
const VALUES = new Uint8Array(128)
for (const [value, digit] of [...ALPHABET].entries()) VALUES[digit.charCodeAt(0)] = value
const FORM = /^[a-z]{2,4}_([0-9a-hjkmnp-tv-z]{26})$/
/** A year that no honest clock will show: keys of ids without a time begin there. */
const BEYOND = 0xff

/** An id of ours is 48 bits of time and 80 random ones, written with 32 digits; any other is hashed. */
export function keyOf(id: string): RecordKey {
  const [, digits] = FORM.exec(id) ?? []
  if (digits === undefined) return hashed(id)
  let at = 0
  for (let i = 0; i < 10; i++) at = at * 32 + (VALUES[digits.charCodeAt(i)] ?? 0)
  if (at >= BEYOND * 2 ** 40) return hashed(id)
  const bytes = Buffer.allocUnsafe(16)
  bytes.writeUIntBE(at, 0, 6)
  let [bits, held] = [0, 0]
  for (let i = 10, to = 6; i < 26; i++) {
    bits = ((bits << 5) | (VALUES[digits.charCodeAt(i)] ?? 0)) & 0xfff
    held += 5
    if (held >= 8) {
      held -= 8
      bytes[to++] = (bits >> held) & 0xff
    }
  }
  return { bytes, at }
}

function hashed(id: string): RecordKey {
  const bytes = Buffer.from(sha256(id).subarray(0, 16))
  bytes[0] = BEYOND
  return { bytes, at: null }
}
