import { AppError } from '../core/index.ts'
import type { Exchange } from './enforcement/exchange.ts'
import { decodeUtf8, type Incoming, type Outgoing } from './incoming.ts'
import { createBlockSplitter, parseBlock, rewriteBlock } from './protocol/sse.ts'

const MOST_EVENT_CHARACTERS = 16 << 20

/** A web request, as frameworks on the Fetch API pass it. */
export function fromWeb(request: Request): Incoming {
  const { url, method } = request
  return {
    method,
    url,
    target: targetIn(url),
    header: name => request.headers.get(name) ?? undefined,
    headers: () => request.headers,
    text: maxBytes => readText(request.body, maxBytes),
    isAsSent: true,
    signal: () => request.signal,
    onGone: listener => request.signal.addEventListener('abort', listener, { once: true }),
  }
}

/** Path and query of a web request's address, which is in its normal form already. */
function targetIn(url: string): string {
  const from = url.indexOf('/', url.indexOf('//') + 2)
  const fragment = url.indexOf('#', from)
  return fragment === -1 ? url.slice(from) : url.slice(from, fragment)
}

async function readText(
  body: ReadableStream<Uint8Array> | null,
  maxBytes: number,
): Promise<string | null | undefined> {
  if (!body) return ''
  const chunks: Uint8Array[] = []
  let size = 0
  const reader = body.getReader()
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return decodeUtf8(chunks)
    size += value.byteLength
    if (size > maxBytes) {
      void reader.cancel().catch(() => undefined)
      return undefined
    }
    chunks.push(value)
  }
}

export function toResponse({ body, status, statusText = '', headers }: Outgoing): Response {
  return new Response(body, { status, statusText, headers })
}

/** The answer of the server as the caller may see it: lists filtered, event ids bound, cut when the caller is revoked. */
export async function relayResponse(response: Response, exchange: Exchange): Promise<Outgoing> {
  exchange.answered(response.status, name => response.headers.get(name))
  const { body, status, statusText } = response
  const head = { status, statusText, headers: withoutLength(response.headers) }
  if (body && response.headers.get('content-type')?.startsWith('text/event-stream'))
    return { ...head, body: relayStream(body, exchange) }
  const text = body && exchange.relay(await response.text())
  exchange.finish()
  return { ...head, body: text }
}

/** What is passed on may have another length. */
function withoutLength(headers: Headers): Headers {
  if (!headers.has('content-length')) return headers
  const rest = new Headers(headers)
  rest.delete('content-length')
  return rest
}

function relayStream(body: ReadableStream<Uint8Array>, exchange: Exchange): ReadableStream<Uint8Array> {
  const reader = body.getReader()
  const relay = createEventRelay(exchange)
  const decoder = new TextDecoder()
  const encoder = new TextEncoder()
  const cut = () => void reader.cancel().catch(() => undefined)
  exchange.signal.addEventListener('abort', cut, { once: true })
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await reader.read()
        if (done) {
          exchange.finish()
          controller.close()
        } else controller.enqueue(encoder.encode(relay(decoder.decode(value, { stream: true }))))
      } catch (fault) {
        exchange.finish('upstream_error')
        controller.error(fault)
      }
    },
    cancel() {
      exchange.finish('cancelled')
      return reader.cancel()
    },
  })
}

/** Passes a stream of events on as it arrives, each message as the caller may see it. Throws where one never ends. */
export function createEventRelay(exchange: Exchange): (text: string) => string {
  const blocks = createBlockSplitter()
  return text => {
    let out = ''
    for (const block of blocks.push(text)) {
      const { data, id } = parseBlock(block)
      const shown = data === '' ? data : exchange.relay(data)
      const change = {
        ...(id !== undefined && id !== '' && { id: exchange.relayEventId(id) }),
        ...(shown !== data && { data: shown }),
      }
      out += rewriteBlock(block, change)
    }
    if (blocks.rest().length > MOST_EVENT_CHARACTERS)
      throw new AppError('upstream.invalid', 'The MCP server sent an event larger than can be looked at.')
    return out
  }
}
