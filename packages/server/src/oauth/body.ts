import { IncomingMessage } from 'node:http'

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

/** The same request with another body, for a reader of streams. */
export function withForm(request: IncomingMessage, url: string, form: URLSearchParams): IncomingMessage {
  const body = Buffer.from(form.toString())
  const copy = new IncomingMessage(request.socket)
  const { 'transfer-encoding': _, ...kept } = request.headers
  const headers = { ...kept, 'content-length': String(body.length) }
  Object.assign(copy, { method: request.method, url, headers, complete: true })
  copy.push(body)
  copy.push(null)
  return copy
}
