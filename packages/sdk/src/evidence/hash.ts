import { hash } from 'node:crypto'

/** SHA-256 of bytes, or of a text in UTF-8. */
export function sha256(data: Uint8Array | string): Buffer {
  // By way of a text: memory that is made outside of the engine's own costs more than the hash of what is short.
  return Buffer.from(hash('sha256', data, 'binary'), 'latin1')
}

/** Nothing is awaited while this is in use. */
const room = Buffer.alloc(8_192)

/** What a log holds of an entry (RFC 6962 §2.1): SHA-256 of a zero byte and the entry. */
export function leafHash(entry: Uint8Array | string): Buffer {
  if (typeof entry === 'string') return sha256(`\0${entry}`)
  const length = 1 + entry.length
  const bytes = length <= room.length ? room.subarray(0, length) : Buffer.alloc(length)
  bytes.set(entry, 1)
  return sha256(bytes)
}
