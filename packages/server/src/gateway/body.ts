import { isUtf8 } from 'node:buffer'
import type { IncomingMessage } from 'node:http'

/** Why a body was not read, as the HTTP status that says so; 499: the caller left before it was whole. */
export type BodyFault = 413 | 415 | 499

const NOTHING = Buffer.alloc(0)
/** How much too much is still taken in, so that the caller reads the answer before its connection ends. */
const PATIENCE = 4

/** Reads a request body as UTF-8 text. */
export function readBody(request: IncomingMessage, maxBytes: number): Promise<string | BodyFault> {
  return new Promise(resolve => {
    let chunks: Buffer[] = []
    let size = 0
    const leave = () => resolve(499)
    request
      .on('data', (chunk: Buffer) => {
        size += chunk.length
        if (size <= maxBytes) return void chunks.push(chunk)
        chunks = []
        resolve(413)
        if (size > maxBytes * PATIENCE) request.destroy()
      })
      .on('end', () => {
        const whole = chunks.length === 1 ? (chunks[0] ?? NOTHING) : Buffer.concat(chunks)
        resolve(isUtf8(whole) ? whole.toString('utf8') : 415)
      })
      .on('close', leave)
      .on('error', leave)
  })
}
