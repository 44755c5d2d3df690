import type { IncomingMessage } from 'node:http'

const MAX_BYTES = 32 * 1024

/** The text of a body within the limit; undefined for a longer one. */
export async function readText(request: IncomingMessage, maxBytes = MAX_BYTES): Promise<string | undefined> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > maxBytes) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** The fields of a form whose type was looked at before. */
export async function readForm(request: IncomingMessage): Promise<URLSearchParams | undefined> {
  const text = await readText(request)
  return text === undefined ? undefined : new URLSearchParams(text)
}
