import type { IncomingMessage, ServerResponse } from 'node:http'
import { decodeUtf8, type Incoming, type Outgoing } from './incoming.ts'

type NodeRequest = IncomingMessage & { body?: unknown; originalUrl?: string }

/** Path and query of a request, also where a framework cut the mount point off; `/` for what is not a path at all. */
export function targetOf(request: NodeRequest): string {
  const target = request.originalUrl ?? request.url ?? '/'
  return target.startsWith('/') ? target : '/'
}

/**
 * A `node:http` request. The address that handlers are shown is made from the registered public URL, never from the Host
 * header. A body that a framework has parsed already is taken as it was understood.
 */
export function fromNode(request: NodeRequest, response: ServerResponse, publicUrl: string): Incoming {
  const target = targetOf(request)
  let gone: AbortController | undefined
  const onGone = (listener: () => void) =>
    void response.once('close', () => {
      if (!response.writableFinished) listener()
    })
  return {
    // There is no web request with TRACE; either is refused.
    method: request.method === 'TRACE' ? 'OPTIONS' : (request.method ?? 'GET'),
    target,
    url: new URL(publicUrl).origin + target,
    // Every value, where Node would keep the first: what is decided on is what the handler is shown.
    header: name => request.headersDistinct[name]?.join(', '),
    headers() {
      const headers = new Headers()
      for (let i = 0; i < request.rawHeaders.length; i += 2)
        headers.append(request.rawHeaders[i] ?? '', request.rawHeaders[i + 1] ?? '')
      return headers
    },
    text: maxBytes => readText(request, maxBytes),
    isAsSent: request.body === undefined,
    signal() {
      if (!gone) {
        const controller = new AbortController()
        gone = controller
        if (response.destroyed && !response.writableFinished) controller.abort()
        else onGone(() => controller.abort())
      }
      return gone.signal
    },
    onGone,
  }
}

function readText(request: NodeRequest, maxBytes: number): Promise<string | null | undefined> {
  if (request.method === 'GET' || request.method === 'HEAD') return Promise.resolve('')
  if (request.body !== undefined) {
    const text = JSON.stringify(request.body) ?? ''
    return Promise.resolve(Buffer.byteLength(text) > maxBytes ? undefined : text)
  }
  if (request.readableEnded) return Promise.resolve('')
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let size = 0
    request.on('data', (chunk: Buffer) => {
      size += chunk.length
      if (size <= maxBytes) return void chunks.push(chunk)
      request.pause()
      resolve(undefined)
    })
    request.once('end', () => resolve(decodeUtf8(chunks)))
    request.once('error', reject)
    request.once('close', () => reject(new Error('The caller left before the request was whole.')))
  })
}

/** Writes an answer: at once where it is text, else as it comes, waiting where the other side reads slowly. */
export async function writeOutgoing(answer: Outgoing, response: ServerResponse): Promise<void> {
  const { status, headers, body } = answer
  response.statusCode = status
  if (headers instanceof Headers) response.setHeaders(headers)
  else for (const name in headers) response.setHeader(name, headers[name] ?? '')
  if (body === null) return void response.end()
  if (typeof body === 'string') {
    response.setHeader('content-length', Buffer.byteLength(body))
    return void response.end(body)
  }
  response.flushHeaders()
  const reader = body.getReader()
  response.once('close', () => void reader.cancel().catch(() => undefined))
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) break
      if (!response.write(value))
        await new Promise(resolve => response.once('drain', resolve).once('close', resolve))
    }
    response.end()
  } catch {
    response.destroy()
  }
}
