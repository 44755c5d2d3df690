import type { IncomingHttpHeaders } from 'node:http'
import { AppError } from '@valetkey/sdk/core'
import type { Exchange } from '@valetkey/sdk/guard'

/** What went wrong between the gateway and the server behind it, in words that may reach the caller. */
export function toUpstreamFault(fault: unknown): AppError {
  if (fault instanceof AppError) return fault
  const code = fault instanceof Error && 'code' in fault ? String(fault.code) : ''
  const say = (name: 'unreachable' | 'invalid', sentence: string) =>
    new AppError(`upstream.${name}`, sentence, { cause: fault })
  if (code === 'UND_ERR_INVALID_ARG')
    return new AppError('request.invalid', 'A header of the request cannot be passed on.', { cause: fault })
  if (code.startsWith('HPE_') || code === 'UND_ERR_HEADERS_OVERFLOW')
    return say('invalid', 'The MCP server behind the gateway does not speak HTTP as it should.')
  if (code === 'UND_ERR_SOCKET' || code === 'ECONNRESET' || code === 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH')
    return say('unreachable', 'The MCP server behind the gateway broke off before its answer was whole.')
  return say('unreachable', 'The MCP server behind the gateway cannot be reached.')
}

/** It did not begin to answer within this time, or stopped in the midst of it. */
export function timeoutFault(afterMs: number | undefined): AppError {
  const what = afterMs === undefined ? 'stopped answering' : `did not answer within ${afterMs} ms`
  return new AppError('upstream.timeout', `The MCP server behind the gateway ${what}.`)
}

/** Why the head of an answer must not be passed on; undefined where it may. */
export function faultOfHead(
  status: number,
  headers: IncomingHttpHeaders,
  exchange: Pick<Exchange, 'message' | 'isIdentified'>,
): AppError | undefined {
  const isAboutUs = status === 407 || (exchange.isIdentified && (status === 401 || status === 403))
  if (isAboutUs)
    return new AppError(
      'upstream.unreachable',
      `The MCP server behind the gateway refused the gateway itself (HTTP ${status}): store its upstream credential (valetkey server credential).`,
    )
  if (status >= 300 && status < 400)
    return new AppError(
      'upstream.invalid',
      `The MCP server behind the gateway redirects (HTTP ${status}): name the final address as the upstream.`,
    )
  const encoding = headers['content-encoding']
  if (encoding !== undefined && !/^identity$/i.test(String(encoding)))
    return new AppError(
      'upstream.invalid',
      'The MCP server behind the gateway encodes its answer unasked; it cannot be looked at.',
    )
  const asks = exchange.message?.method !== null && exchange.message?.id !== null && exchange.message !== null
  if (asks && status === 200 && !isEventStream(headers) && !isJson(headers))
    return new AppError(
      'upstream.invalid',
      'The MCP server behind the gateway answered with something that is not MCP.',
    )
  return undefined
}

export function isEventStream(headers: IncomingHttpHeaders): boolean {
  return isOfType(headers, 'text/event-stream')
}

export function isJson(headers: IncomingHttpHeaders): boolean {
  return isOfType(headers, 'application/json')
}

function isOfType({ 'content-type': given = '' }: IncomingHttpHeaders, type: string): boolean {
  return given === type || given.split(';', 1)[0]?.trim().toLowerCase() === type
}
