/** Where clients may return to (RFC 8252 §7, RFC 9700 §2.1): https, a loopback address with any port, or a scheme of an app. */

const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]'])
/** Schemes that a browser does something with by itself. */
const FORBIDDEN =
  /^(javascript|data|vbscript|file|blob|about|view-source|filesystem|ftp|ws|wss|mailto|intent):$/
const MAX_LENGTH = 2000

/** Why a client may not return there; undefined where it may. */
export function findRedirectFault(uri: string): string | undefined {
  const url = URL.parse(uri)
  if (!url || uri.length > MAX_LENGTH) return 'must be absolute URIs'
  if (uri.includes('#')) return 'must not have a fragment'
  if (url.username !== '' || url.password !== '') return 'must not name a user'
  if (/[\s*\\]/.test(uri)) return 'must be written out, without wildcards'
  if (url.protocol === 'https:')
    return LOOPBACK.has(url.hostname) ? 'must use http on this computer' : undefined
  if (url.protocol === 'http:') return LOOPBACK.has(url.hostname) ? undefined : 'must use https'
  return FORBIDDEN.test(url.protocol) ? 'must not use this scheme' : undefined
}

/** `native` clients may come back on any port of a loopback address, or by a scheme of their own. */
export function applicationTypeOf(uris: readonly string[]): 'native' | 'web' {
  return uris.every(uri => uri.startsWith('https:')) ? 'web' : 'native'
}

/** Where a client returns to, as people are told. */
export interface Returning {
  /**
   * A host of the web, a program on the person's own device, an app by a scheme that any other app could take; or nowhere:
   * a program on some other device that waits, or an agent that asked by the name of the person.
   */
  kind: 'web' | 'loopback' | 'scheme' | 'device' | 'backchannel'
  /** The host, the scheme without its colon, or the address from which somebody waits. */
  name: string
  /** As a Content-Security-Policy names it; undefined where the browser goes nowhere. */
  source: string | undefined
}

export function describeRedirect(uri: string): Returning {
  const url = new URL(uri)
  if (url.protocol === 'https:') return { kind: 'web', name: url.host, source: url.origin }
  if (url.protocol === 'http:') return { kind: 'loopback', name: url.host, source: url.origin }
  return { kind: 'scheme', name: url.protocol.slice(0, -1), source: url.protocol }
}
