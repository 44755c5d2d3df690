import type { IncomingHttpHeaders, ServerResponse } from 'node:http'
import { StringDecoder } from 'node:string_decoder'
import { AppError } from '@valetkey/sdk/core'
import { createEventRelay, type Exchange } from '@valetkey/sdk/guard'
import { toCallerHeaders } from './headers.ts'
import { isJson } from './upstream-fault.ts'

/** How one kind of answer passes. */
export interface BodyRelay {
  readonly hasBegun: boolean
  /** Takes a part, and says whether the caller keeps up. */
  take(chunk: Buffer): boolean
  complete(): void
  /** Ends what has begun without pretending that it is whole. */
  breakOff(): void
}

interface Head {
  status: number
  headers: IncomingHttpHeaders
}

/** The largest list that is filtered, and the largest other answer that is held back to see how the call ended. */
const MOST_LIST_BYTES = 16 << 20
const MOST_HELD_BYTES = 1 << 20
const MOST_TEXT_BYTES = 16 << 10
const NOTHING = Buffer.alloc(0)

/** A stream of events passes as it arrives, each message as the caller may see it. */
export function relayEvents(
  exchange: Exchange,
  response: ServerResponse,
  { status, headers }: Head,
  onListChanged: () => void,
): BodyRelay {
  const decoder = new StringDecoder('utf8')
  const rewrite = createEventRelay(exchange)
  response.writeHead(status, [...toCallerHeaders(headers, exchange), 'x-accel-buffering', 'no'])
  response.flushHeaders()
  return {
    hasBegun: true,
    take(chunk) {
      const text = decoder.write(chunk)
      if (text.includes('/list_changed')) onListChanged()
      const shown = rewrite(text)
      return shown === '' || response.write(shown)
    },
    complete: () => void response.end(),
    breakOff: () => void response.end(),
  }
}

/** Any other answer is held back until it is whole, and looked at; what is too large for that passes unread. */
export function relayWhole(exchange: Exchange, response: ServerResponse, head: Head): BodyRelay {
  return new WholeBody(exchange, response, head)
}

class WholeBody implements BodyRelay {
  hasBegun = false
  readonly #exchange: Exchange
  readonly #response: ServerResponse
  readonly #head: Head
  #held: Buffer[] = []
  #size = 0

  constructor(exchange: Exchange, response: ServerResponse, head: Head) {
    this.#exchange = exchange
    this.#response = response
    this.#head = head
  }

  take(chunk: Buffer): boolean {
    if (this.hasBegun) return this.#response.write(chunk)
    this.#held.push(chunk)
    this.#size += chunk.length
    if (this.#size > (this.#exchange.isList ? MOST_LIST_BYTES : MOST_HELD_BYTES)) this.#beginUnread()
    return !this.#response.writableNeedDrain
  }

  complete(): void {
    const response = this.#response
    if (this.hasBegun) return void response.end()
    const { status, headers } = this.#head
    const whole = this.#held.length === 1 ? (this.#held[0] ?? NOTHING) : Buffer.concat(this.#held)
    const shown = isJson(headers) ? look(this.#exchange, status, whole) : whole
    const length = typeof shown === 'string' ? Buffer.byteLength(shown) : shown.length
    this.hasBegun = true
    const all = toCallerHeaders(headers, this.#exchange)
    all.push('content-length', String(length))
    response.writeHead(status, all)
    // As many bytes as characters: plain ASCII, which need not be encoded.
    if (length === shown.length) response.end(shown, 'latin1')
    else response.end(shown)
  }

  breakOff(): void {
    this.#response.destroy()
  }

  #beginUnread(): void {
    if (this.#exchange.isList)
      throw new AppError(
        'upstream.invalid',
        `The list of the MCP server is larger than ${MOST_LIST_BYTES} bytes.`,
      )
    this.hasBegun = true
    const { status, headers } = this.#head
    const length = headers['content-length']
    const sized = length === undefined ? [] : ['content-length', length]
    this.#response.writeHead(status, [...toCallerHeaders(headers, this.#exchange), ...sized])
    for (const chunk of this.#held) this.#response.write(chunk)
    this.#held = []
  }
}

/** The answer as the caller may see it. */
function look(exchange: Exchange, status: number, whole: Buffer): Buffer | string {
  const text = whole.toString('utf8')
  const isAnswer = status === 200 && exchange.message !== null && exchange.message.id !== null
  if (isAnswer && !isObjectText(text))
    throw new AppError(
      'upstream.invalid',
      'The MCP server behind the gateway answered with something that is not MCP.',
    )
  const shown = exchange.relay(text)
  // A short text goes out in one piece with the head; of a long one the bytes are at hand.
  return shown === text && whole.length > MOST_TEXT_BYTES ? whole : shown
}

/** A look at both ends, which tells a JSON object from a page of text without parsing it. */
function isObjectText(text: string): boolean {
  const trimmed = text.trim()
  return trimmed.startsWith('{') && trimmed.endsWith('}')
}
