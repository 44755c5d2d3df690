import { hash } from 'node:crypto'

/** SHA-256 of bytes, or of a text in UTF-8. */
export function sha256(data: Uint8Array | string): Buffer {
  return hash('sha256', data, 'buffer')
}

/** What a log holds of an entry (RFC 6962 §2.1): SHA-256 of a zero byte and the entry. */
export function leafHash(entry: string): Buffer {
  return hash('sha256', `\0${entry}`, 'buffer')
}
