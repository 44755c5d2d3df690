import type { IncomingHttpHeaders, ServerResponse } from 'node:http'
import { StringDecoder } from 'node:string_decoder'
import { AppError } from '@valetkey/sdk/core'
import { type Answer, answerUpstreamFault, createEventRelay, type Exchange } from '@valetkey/sdk/guard'
import type { Dispatcher, Pool } from 'undici'
import { toCallerHeaders } from './headers.ts'
import { faultOfHead, isEventStream, isJson, toUpstreamFault } from './upstream-fault.ts'

export interface RelayOptions {
  pool: Pool
  /** Path and query of the endpoint behind. */
  path: string
  method: string
  headers: string[]
  exchange: Exchange
  response: ServerResponse
  timeoutMs: number
  /** Called with what went wrong between here and the server behind. */
  onFault(fault: AppError): void
  /** Called when the server says that one of its lists changed. */
  onListChanged(): void
}

type Controller = Dispatcher.DispatchController

/** The largest list that is filtered, and the largest other answer that is held back to see how the call ended. */
const MOST_LIST_BYTES = 16 << 20
const MOST_HELD_BYTES = 1 << 20
const LEFT = new Error('The answer is not wanted any more.')

/**
 * Sends an admitted request on and its answer back: an event stream as it arrives, anything else in one write where it
 * is small. Ends with whichever comes first: the answer, the caller leaving, the caller being revoked, or a fault.
 */
export function relay(options: RelayOptions): void {
  const { exchange, response, timeoutMs } = options
  let controller: Controller | undefined
  let body: BodyRelay | undefined
  let stall: NodeJS.Timeout | undefined
  let isDone = false

  /** What must happen exactly once, whoever ends it. False for those who come later. */
  function end(outcome?: Parameters<Exchange['finish']>[0]): boolean {
    if (isDone) return false
    isDone = true
    clearTimeout(stall)
    exchange.finish(outcome)
    return true
  }

  function fail(cause: unknown): void {
    const fault = toUpstreamFault(cause, timeoutMs)
    if (!end('upstream_error')) return
    options.onFault(fault)
    controller?.abort(LEFT)
    if (body?.hasBegun()) body.breakOff()
    else sendAnswer(response, answerUpstreamFault(fault.status, exchange.message?.id ?? null, fault.message))
  }

  /** Nothing has moved for too long: because the caller does not read, or because the server behind does not write. */
  function giveUp(): void {
    if (controller?.paused) response.destroy()
    else fail(new AppError('upstream.timeout', 'The MCP server behind the gateway stopped answering.'))
  }

  exchange.onCut(() => {
    if (isDone) return
    end()
    controller?.abort(LEFT)
    if (body?.hasBegun()) body.breakOff()
    else sendAnswer(response, exchange.answerCut())
  })
  response.once('close', () => {
    if (!response.writableFinished && end('cancelled')) controller?.abort(LEFT)
  })

  options.pool.dispatch(
    {
      path: options.path,
      method: options.method,
      headers: options.headers,
      body: exchange.body,
      headersTimeout: timeoutMs,
      // A stream may be silent for long; an answer that stalls has its own timer.
      bodyTimeout: 0,
    },
    {
      onRequestStart(started) {
        controller = started
        if (isDone) started.abort(LEFT)
      },
      onResponseStart(_, status, headers) {
        if (status < 200 || isDone) return
        const fault = faultOfHead(status, headers, exchange)
        if (fault) return fail(fault)
        exchange.answered(status, name => firstOf(headers[name]))
        body = isEventStream(headers)
          ? relayEvents(options, status, headers)
          : relayWhole(options, status, headers)
        if (!body.isEndless) stall = setTimeout(giveUp, timeoutMs)
      },
      onResponseData(running, chunk) {
        if (isDone || !body) return
        stall?.refresh()
        try {
          if (body.take(chunk)) return
        } catch (fault) {
          return fail(fault)
        }
        running.pause()
        response.once('drain', () => {
          stall?.refresh()
          running.resume()
        })
      },
      onResponseEnd() {
        if (isDone) return
        try {
          body?.complete()
        } catch (fault) {
          return fail(fault)
        }
        end()
      },
      onResponseError: (_, fault) => fail(fault),
    },
  )
}

/** How one kind of answer passes. `take` says whether the caller keeps up. */
interface BodyRelay {
  isEndless: boolean
  hasBegun(): boolean
  take(chunk: Buffer): boolean
  complete(): void
  /** Ends what has begun without pretending that it is whole. */
  breakOff(): void
}

function relayEvents(options: RelayOptions, status: number, headers: IncomingHttpHeaders): BodyRelay {
  const { exchange, response } = options
  const decoder = new StringDecoder('utf8')
  const rewrite = createEventRelay(exchange)
  response.writeHead(status, [...toCallerHeaders(headers), 'x-accel-buffering', 'no'])
  response.flushHeaders()
  return {
    isEndless: true,
    hasBegun: () => true,
    take(chunk) {
      const text = decoder.write(chunk)
      if (text.includes('/list_changed')) options.onListChanged()
      const shown = rewrite(text)
      return shown === '' || response.write(shown)
    },
    complete: () => void response.end(),
    breakOff: () => void response.end(),
  }
}

function relayWhole(options: RelayOptions, status: number, headers: IncomingHttpHeaders): BodyRelay {
  const { exchange, response } = options
  const most = exchange.isList ? MOST_LIST_BYTES : MOST_HELD_BYTES
  const answersMessage = exchange.message?.id !== null && exchange.message !== null && status === 200
  let held: Buffer[] = []
  let size = 0
  let hasBegun = false

  /** Too large to be held back: passes as it comes, and how the call ended is not looked at. */
  function beginUnread(): void {
    if (exchange.isList)
      throw new AppError('upstream.invalid', `The list of the MCP server is larger than ${most} bytes.`)
    hasBegun = true
    const length = firstOf(headers['content-length'])
    const sized = length === undefined ? [] : ['content-length', length]
    response.writeHead(status, [...toCallerHeaders(headers), ...sized])
    for (const chunk of held) response.write(chunk)
    held = []
  }

  return {
    isEndless: false,
    hasBegun: () => hasBegun,
    take(chunk) {
      if (hasBegun) return response.write(chunk)
      held.push(chunk)
      size += chunk.length
      if (size > most) beginUnread()
      return !response.writableNeedDrain
    },
    complete() {
      if (hasBegun) return void response.end()
      const whole = held.length === 1 ? (held[0] ?? Buffer.alloc(0)) : Buffer.concat(held)
      const shown = isJson(headers) ? look(exchange, whole, answersMessage) : whole
      hasBegun = true
      const length = typeof shown === 'string' ? Buffer.byteLength(shown) : shown.length
      response.writeHead(status, [...toCallerHeaders(headers), 'content-length', String(length)])
      response.end(shown)
    },
    breakOff: () => void response.destroy(),
  }
}

/** The answer as the caller may see it: the bytes as they came where nothing changes. */
function look(exchange: Exchange, whole: Buffer, answersMessage: boolean): Buffer | string {
  const text = whole.toString('utf8')
  if (answersMessage && !isObjectText(text))
    throw new AppError(
      'upstream.invalid',
      'The MCP server behind the gateway answered with something that is not MCP.',
    )
  const shown = exchange.relay(text)
  return shown === text ? whole : shown
}

/** A look at both ends, which tells a JSON object from a page of text without parsing it. */
function isObjectText(text: string): boolean {
  const trimmed = text.trim()
  return trimmed.startsWith('{') && trimmed.endsWith('}')
}

function firstOf(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value
}

/** Answers in the gateway's own words. */
export function sendAnswer(response: ServerResponse, answer: Answer): void {
  if (response.destroyed || response.headersSent) return
  const length = String(Buffer.byteLength(answer.body))
  response.writeHead(answer.status, { ...answer.headers, 'content-length': length }).end(answer.body)
}
