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
  const reader = body.getReader()
  for (;;) {
    const { done, value } = await reader.read()
    if (done) break
    size += value.byteLength
    if (size > maxBytes) {
      void reader.cancel().catch(() => undefined)
      return undefined
    }
    chunks.push(value)
  }
  try {
    return UTF8.decode(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks))
  } catch {
    return null
  }
}

const UTF8 = new TextDecoder('utf-8', { fatal: true })

export function toResponse(answer: Answer): Response {
  return new Response(answer.body, { status: answer.status, headers: answer.headers })
}

/** The answer of the server as the caller may see it: lists filtered, event ids bound, cut when the caller is revoked. */
export async function relayResponse(response: Response, exchange: Exchange): Promise<Response> {
  exchange.answered(response.status, name => response.headers.get(name))
  const { body } = response
  if (body && response.headers.get('content-type')?.startsWith('text/event-stream'))
    return withBody(relayStream(body, exchange), response)
  const text = body && exchange.relay(await response.text())
  exchange.finish()
  return withBody(text, response)
}

/** The same answer around another body, whose length may be another. */
function withBody(body: string | ReadableStream<Uint8Array> | null, answered: Response): Response {
  const response = new Response(body, answered)
  response.headers.delete('content-length')
  return response
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
