import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'

/** Path and query of a request, also where a framework cut the mount point off; `/` for what is not a path at all. */
export function targetOf(incoming: IncomingMessage & { originalUrl?: string }): string {
  const target = incoming.originalUrl ?? incoming.url ?? '/'
  return target.startsWith('/') ? target : '/'
}

/**
 * A `node:http` request as a web Request. Its address is made from the registered public URL, never from the Host
 * header. A body that a framework has parsed already is taken as it was understood.
 */
export function toWebRequest(
  incoming: IncomingMessage & { body?: unknown },
  outgoing: ServerResponse,
  publicUrl: string,
): Request {
  const headers = new Headers()
  for (let i = 0; i < incoming.rawHeaders.length; i += 2)
    headers.append(incoming.rawHeaders[i] ?? '', incoming.rawHeaders[i + 1] ?? '')
  // There is no web request with TRACE; either is refused.
  const method = incoming.method === 'TRACE' ? 'OPTIONS' : (incoming.method ?? 'GET')
  const hasBody = method !== 'GET' && method !== 'HEAD'
  const gone = new AbortController()
  outgoing.once('close', () => {
    if (!outgoing.writableFinished) gone.abort()
  })
  const url = new URL(new URL(publicUrl).origin + targetOf(incoming))
  if (!hasBody) return new Request(url, { method, headers, signal: gone.signal })
  const body =
    incoming.body === undefined
      ? (Readable.toWeb(incoming) as ReadableStream<Uint8Array>)
      : JSON.stringify(incoming.body)
  return new Request(url, { method, headers, body, duplex: 'half', signal: gone.signal })
}

/** Writes a web Response, waiting where the other side reads slowly. */
export async function writeWebResponse(response: Response, outgoing: ServerResponse): Promise<void> {
  outgoing.statusCode = response.status
  outgoing.setHeaders(response.headers)
  if (!response.body) return void outgoing.end()
  outgoing.flushHeaders()
  const reader = response.body.getReader()
  outgoing.once('close', () => void reader.cancel().catch(() => undefined))
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) break
      if (!outgoing.write(value))
        await new Promise(resolve => outgoing.once('drain', resolve).once('close', resolve))
    }
    outgoing.end()
  } catch {
    outgoing.destroy()
  }
}
