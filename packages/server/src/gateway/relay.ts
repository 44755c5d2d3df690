import type { IncomingHttpHeaders, ServerResponse } from 'node:http'
import type { AppError } from '@valetkey/sdk/core'
import { type Answer, answerUpstreamFault, type Exchange } from '@valetkey/sdk/guard'
import type { Dispatcher, Pool } from 'undici'
import { type BodyRelay, relayEvents, relayWhole } from './body-relay.ts'
import type { Moving, StallWatch } from './stalls.ts'
import { faultOfHead, isEventStream, timeoutFault, toUpstreamFault } from './upstream-fault.ts'

/** Where requests go, and whom to tell of what happens there. */
export interface Way {
  pool: Pool
  /** Path and query of the endpoint behind. */
  path: string
  /** For how long nothing may move. */
  timeoutMs: number
  stalls: StallWatch
  /** Called with what went wrong between here and the server behind. */
  onFault(fault: AppError): void
  /** Called when the server says that one of its lists changed. */
  onListChanged(): void
}

type Controller = Dispatcher.DispatchController

const LEFT = new Error('The answer is not wanted any more.')

/**
 * Sends an admitted request on and its answer back: an event stream as it arrives, anything else in one write where it
 * is small. Ends with whichever comes first: the answer, the caller leaving, the caller being revoked, or a fault.
 */
export function relay(
  way: Way,
  request: { method: string; headers: string[] },
  exchange: Exchange,
  response: ServerResponse,
): void {
  const { pool, path } = way
  const { method, headers } = request
  const passage = new Passage(way, exchange, response)
  exchange.onCut(() => passage.cut())
  response.on('close', () => passage.left())
  // Stalls are watched here: undici's timers would be set anew for the head and for the body of every answer.
  pool.dispatch({ path, method, headers, body: exchange.body, headersTimeout: 0, bodyTimeout: 0 }, passage)
}

/** One request under way. A class because there is one for every call: engines compile its methods once. */
class Passage implements Dispatcher.DispatchHandler, Moving {
  movedAt = 0
  place = -1
  readonly #way: Way
  readonly #exchange: Exchange
  readonly #response: ServerResponse
  #controller: Controller | undefined
  #body: BodyRelay | undefined
  #isDone = false

  constructor(way: Way, exchange: Exchange, response: ServerResponse) {
    this.#way = way
    this.#exchange = exchange
    this.#response = response
    way.stalls.add(this)
  }

  onRequestStart(controller: Controller): void {
    this.#controller = controller
    if (this.#isDone) controller.abort(LEFT)
  }

  onResponseStart(_: Controller, status: number, headers: IncomingHttpHeaders): void {
    if (status < 200 || this.#isDone) return
    const exchange = this.#exchange
    const fault = faultOfHead(status, headers, exchange)
    if (fault) {
      this.#fail(fault)
      return
    }
    exchange.answered(status, name => headers[name]?.toString())
    const head = { status, headers }
    if (isEventStream(headers)) {
      // A stream may be silent for long.
      this.#way.stalls.remove(this)
      this.#body = relayEvents(exchange, this.#response, head, this.#way.onListChanged)
    } else {
      this.#body = relayWhole(exchange, this.#response, head)
      this.movedAt = performance.now()
    }
  }

  onResponseData(controller: Controller, chunk: Buffer): void {
    if (this.#isDone || !this.#body) return
    this.movedAt = performance.now()
    try {
      if (!this.#body.take(chunk)) this.#wait(controller)
    } catch (fault) {
      this.#fail(fault)
    }
  }

  onResponseEnd(): void {
    if (this.#isDone) return
    try {
      this.#body?.complete()
      this.#end()
    } catch (fault) {
      this.#fail(fault)
    }
  }

  onResponseError(_: Controller | undefined, fault: Error): void {
    this.#fail(fault)
  }

  /** The caller was revoked, or this gateway stops. */
  cut(): void {
    if (this.#end()) this.#stop(this.#exchange.answerCut())
  }

  /** The caller is gone, or has the whole answer. */
  left(): void {
    if (!this.#response.writableFinished && this.#end('cancelled')) this.#controller?.abort(LEFT)
  }

  /** Nothing has moved for too long: because the caller does not read, or because the server behind does not write. */
  giveUp(): void {
    if (this.#controller?.paused) this.#response.destroy()
    else this.#fail(timeoutFault(this.#body ? undefined : this.#way.timeoutMs))
  }

  /** Reads no further until the caller has taken what there is. */
  #wait(controller: Controller): void {
    controller.pause()
    this.#response.once('drain', () => {
      this.movedAt = performance.now()
      controller.resume()
    })
  }

  #fail(cause: unknown): void {
    if (!this.#end('upstream_error')) return
    const fault = toUpstreamFault(cause)
    this.#way.onFault(fault)
    this.#stop(answerUpstreamFault(fault.status, this.#exchange.message?.id ?? null, fault.message))
  }

  /** What must happen exactly once, whoever ends it. False for those who come later. */
  #end(outcome?: Parameters<Exchange['finish']>[0]): boolean {
    if (this.#isDone) return false
    this.#isDone = true
    this.#way.stalls.remove(this)
    this.#exchange.finish(outcome)
    return true
  }

  /** Gives up the request behind, and tells the caller, or where the answer has begun breaks it off. */
  #stop(answer: Answer): void {
    this.#controller?.abort(LEFT)
    if (this.#body?.hasBegun) this.#body.breakOff()
    else sendAnswer(this.#response, answer)
  }
}

/** Answers in the gateway's own words. */
export function sendAnswer(response: ServerResponse, answer: Answer): void {
  if (response.destroyed || response.headersSent) return
  const length = String(Buffer.byteLength(answer.body))
  response.writeHead(answer.status, { ...answer.headers, 'content-length': length }).end(answer.body)
}
