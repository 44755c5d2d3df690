import { AppError } from '../core/index.ts'
import type { Exchange } from './enforcement/exchange.ts'
import type { Point } from './enforcement/point.ts'
import { type Handler, toOptions } from './handler.ts'
import type { Incoming, Outgoing } from './incoming.ts'
import type { Onward } from './onward.ts'
import { answerUpstreamFault } from './protocol/answer.ts'
import { relayResponse } from './web.ts'

/** Lets the handler answer a call that was let through, until the caller leaves or is cut off. */
export async function forward(
  point: Point,
  handler: Handler,
  incoming: Incoming,
  exchange: Exchange,
  onward: Onward,
): Promise<Outgoing> {
  const { caller, message } = exchange
  const request = toRequest(incoming, exchange)
  const options = toOptions(point, caller)
  if (message) options.parsedBody = message.json
  onward.note({ request, options }, incoming, exchange)
  incoming.onGone(() => exchange.finish('cancelled'))
  try {
    const response = await Promise.race([
      handler(request, options),
      new Promise<never>((_, reject) => exchange.onCut(() => reject(CUT))),
    ])
    return await relayResponse(response, exchange)
  } catch (fault) {
    if (exchange.signal.aborted) return exchange.answerCut()
    exchange.finish('upstream_error')
    if (fault instanceof AppError)
      return answerUpstreamFault(fault.status, message?.id ?? null, fault.message)
    throw fault
  }
}

const CUT = new Error('The exchange was cut.')

const REPLACED = ['content-length', 'last-event-id', 'mcp-session-id']

/**
 * The request as the handler gets it: the parsed message written again, without the caller's credential. Who has no
 * identity here keeps its own, for a server that knows it.
 */
function toRequest(incoming: Incoming, exchange: Exchange): Request {
  const { body, session, lastEventId } = exchange
  const { url, method } = incoming
  const request = new Request(url, { method, headers: incoming.headers(), ...(body !== null && { body }) })
  const withheld = exchange.isIdentified ? ['authorization', 'dpop', ...REPLACED] : REPLACED
  for (const name of withheld) request.headers.delete(name)
  if (session !== undefined) request.headers.set('mcp-session-id', session)
  if (lastEventId !== undefined) request.headers.set('last-event-id', lastEventId)
  // Made when it is looked at: signals that follow others cost more than the decision, and few handlers look.
  let signal: AbortSignal | undefined
  Object.defineProperty(request, 'signal', {
    get: () => (signal ??= AbortSignal.any([incoming.signal(), exchange.signal])),
  })
  return request
}
