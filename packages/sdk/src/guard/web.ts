import { AppError } from '../core/index.ts'
import type { Exchange } from './enforcement/exchange.ts'
import type { Answer } from './protocol/answer.ts'
import { createBlockSplitter, parseBlock, rewriteBlock } from './protocol/sse.ts'

const MOST_EVENT_CHARACTERS = 16 << 20

/** Reads a body as UTF-8 text. Undefined where it is longer than allowed, null where it is not UTF-8. */
export async function readText(
  body: ReadableStream<Uint8Array> | null,
  maxBytes: number,
): Promise<string | null | undefined> {
  if (!body) return ''
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of body) {
    size += chunk.byteLength
    if (size > maxBytes) return undefined
    chunks.push(chunk)
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks))
  } catch {
    return null
  }
}

export function toResponse(answer: Answer): Response {
  return new Response(answer.body, { status: answer.status, headers: answer.headers })
}

/** The answer of the server as the caller may see it: lists filtered, event ids bound, cut when the caller is revoked. */
export async function relayResponse(response: Response, exchange: Exchange): Promise<Response> {
  exchange.answered(response.status, name => response.headers.get(name))
  const headers = new Headers(response.headers)
  headers.delete('content-length')
  const type = headers.get('content-type') ?? ''
  const head = { status: response.status, statusText: response.statusText, headers }
  if (!response.body) {
    exchange.finish()
    return new Response(null, head)
  }
  if (type.startsWith('text/event-stream')) return new Response(relayStream(response.body, exchange), head)
  const text = exchange.relay(await response.text())
  exchange.finish()
  return new Response(text, head)
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
