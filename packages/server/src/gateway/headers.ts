import type { IncomingHttpHeaders } from 'node:http'
import type { UpstreamCredential } from '@valetkey/sdk/core'
import type { Exchange } from '@valetkey/sdk/guard'

/**
 * What of a caller's request reaches the server behind, besides `Mcp-*`. A list of what passes, because headers that
 * claim an identity (`X-Forwarded-User`, `Remote-User`, …) have no end; above all the caller's token does not pass.
 */
const PASSED_ON: ReadonlySet<string> = new Set([
  'accept',
  'accept-language',
  'user-agent',
  'traceparent',
  'tracestate',
])

/** What of the server's answer does not reach the caller: of the one connection, or about our credential there. */
const WITHHELD: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authentication-info',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'content-length',
  'set-cookie',
  'set-cookie2',
  'www-authenticate',
  'authentication-info',
  'alt-svc',
  'x-accel-buffering',
])

/** The headers towards the server behind, as undici takes them: names and values in turn. */
export function toUpstreamHeaders(
  incoming: IncomingHttpHeaders,
  exchange: Pick<Exchange, 'body' | 'lastEventId'>,
  credential: UpstreamCredential | null,
): string[] {
  const headers = ['accept-encoding', 'identity']
  for (const name in incoming) {
    if (!PASSED_ON.has(name) && !name.startsWith('mcp-')) continue
    const value = incoming[name]
    if (typeof value === 'string' && name !== credential?.header) headers.push(name, value)
  }
  if (exchange.body !== null) headers.push('content-type', 'application/json')
  if (exchange.lastEventId !== undefined) headers.push('last-event-id', exchange.lastEventId)
  if (credential) headers.push(credential.header, credential.value)
  return headers
}

/** The headers of the server's answer that the caller is given, names and values in turn. */
export function toCallerHeaders(answered: IncomingHttpHeaders): string[] {
  const headers: string[] = []
  for (const name in answered) {
    if (WITHHELD.has(name)) continue
    const value = answered[name]
    if (typeof value === 'string') headers.push(name, value)
    else for (const one of value ?? []) headers.push(name, one)
  }
  return headers
}
