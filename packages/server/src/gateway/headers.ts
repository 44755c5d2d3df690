import type { IncomingHttpHeaders } from 'node:http'
import type { UpstreamCredential } from '@valetkey/sdk/core'
import { type Exchange, OWN_CREDENTIALS } from '@valetkey/sdk/guard'

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
  'dpop-nonce',
  'x-accel-buffering',
])

/** What else passes of who has no identity here, while the server is observed: instead of the gateway's own credential. */
const OWN: ReadonlySet<string> = new Set(OWN_CREDENTIALS)

/** The headers towards the server behind, as undici takes them: names and values in turn. */
export function toUpstreamHeaders(
  incoming: IncomingHttpHeaders,
  exchange: Pick<Exchange, 'body' | 'session' | 'lastEventId' | 'isIdentified'>,
  held: UpstreamCredential | null,
): string[] {
  const credential = exchange.isIdentified ? held : null
  const headers = ['accept-encoding', 'identity']
  for (const name in incoming) {
    const isOwn = !exchange.isIdentified && OWN.has(name)
    if (!PASSED_ON.has(name) && !isOfMcp(name) && !isOwn) continue
    const value = incoming[name]
    if (typeof value === 'string' && name !== credential?.header) headers.push(name, value)
  }
  if (exchange.body !== null) headers.push('content-type', 'application/json')
  if (exchange.session !== undefined) headers.push(SESSION, exchange.session)
  if (exchange.lastEventId !== undefined) headers.push('last-event-id', exchange.lastEventId)
  if (credential) headers.push(credential.header, credential.value)
  return headers
}

const SESSION = 'mcp-session-id'

function isOfMcp(name: string): boolean {
  return name.startsWith('mcp-') && name !== SESSION
}

/** The headers of the server's answer that the caller is given, names and values in turn. */
export function toCallerHeaders(answered: IncomingHttpHeaders, { isIdentified }: Exchange): string[] {
  const headers: string[] = []
  for (const name in answered) {
    // What the server says of a credential is for whose credential it is.
    if (WITHHELD.has(name) && (isIdentified || name !== 'www-authenticate')) continue
    const value = answered[name]
    if (typeof value === 'string') headers.push(name, value)
    else for (const one of value ?? []) headers.push(name, one)
  }
  return headers
}
