import { lookup } from 'node:dns/promises'
import type { IncomingMessage } from 'node:http'
import { request } from 'node:https'
import { isIP } from 'node:net'
import { isPublicAddress } from './public-address.ts'

/** A document that was fetched, and for how long whoever serves it lets it be kept. */
export interface Fetched {
  ok: true
  body: string
  /** Undefined where nothing is said. */
  maxAgeSeconds: number | undefined
}

/** Why there is none; for the record, not for whoever caused the request: it would tell what lies in this network. */
export interface NotFetched {
  ok: false
  reason:
    | 'address'
    | 'busy'
    | 'host_unknown'
    | 'status'
    | 'too_large'
    | 'type'
    | 'unreachable'
    | 'timeout'
    | 'url'
}

export interface OutboundOptions {
  /** Hosts (with a port where it is not 443) that may lie on this machine or in this network. */
  privateHosts: readonly string[]
  /** All addresses of a host name. */
  resolve?: ((host: string) => Promise<string[]>) | undefined
}

export type OutboundFetch = (url: string) => Promise<Fetched | NotFetched>

const MAX_BYTES = 5 * 1024
const MAX_HEADER_BYTES = 8 * 1024
const TIME_LIMIT_MS = 5_000
const MOST_AT_ONCE = 32

/**
 * Fetches a JSON document from an address that a stranger has named: by https alone, from public addresses alone, which are
 * looked up once and then connected to, with limits on time and size, and never anywhere else than where it was asked for.
 */
export function createOutboundFetch(options: OutboundOptions): OutboundFetch {
  const { privateHosts, resolve = resolveAll } = options
  let running = 0
  return async text => {
    const url = parseUrl(text)
    if (!url) return refuse('url')
    if (running >= MOST_AT_ONCE) return refuse('busy')
    running++
    const limit = AbortSignal.timeout(TIME_LIMIT_MS)
    try {
      const addresses = await Promise.race([addressesOf(url, resolve), whenAborted(limit)])
      if (!addresses || addresses.length === 0) return refuse(limit.aborted ? 'timeout' : 'host_unknown')
      const isAllowed = privateHosts.includes(url.host) || addresses.every(isPublicAddress)
      return isAllowed ? await get(url, addresses, limit) : refuse('address')
    } finally {
      running--
    }
  }
}

/** The URL in the one spelling that names it: no second host, port, path or user can hide in it. */
export function parseUrl(text: string): URL | undefined {
  const url = URL.parse(text)
  const isPlain =
    url?.protocol === 'https:' && url.href === text && url.username === '' && url.password === ''
  return isPlain && url.hash === '' && !text.includes('#') && !url.hostname.endsWith('.') ? url : undefined
}

/** A host that is an address stands for itself; a name is looked up once. */
async function addressesOf(
  { hostname }: URL,
  resolve: (host: string) => Promise<string[]>,
): Promise<string[]> {
  const bare = hostname.replace(/^\[|\]$/g, '')
  return isIP(bare) === 0 ? resolve(hostname).catch(() => []) : [bare]
}

async function resolveAll(host: string): Promise<string[]> {
  const found = await lookup(host, { all: true })
  return found.map(({ address }) => address)
}

function get(url: URL, addresses: readonly string[], signal: AbortSignal): Promise<Fetched | NotFetched> {
  return new Promise(settle => {
    const fail = () => settle(refuse(signal.aborted ? 'timeout' : 'unreachable'))
    const pinned = addresses.map(address => ({ address, family: isIP(address) }))
    request(
      url,
      {
        agent: false,
        headers: { accept: 'application/json', 'accept-encoding': 'identity', 'user-agent': 'valetkey' },
        // What was checked is what is connected to: the name is not looked up again.
        lookup: (_host, { all }, done) => {
          const [first] = pinned
          if (all) done(null, pinned)
          else done(null, first?.address ?? '', first?.family)
        },
        maxHeaderSize: MAX_HEADER_BYTES,
        signal,
      },
      response => void read(response).then(settle, fail),
    )
      .on('error', fail)
      .end()
  })
}

async function read(response: IncomingMessage): Promise<Fetched | NotFetched> {
  const drop = (reason: NotFetched['reason']) => {
    response.destroy()
    return refuse(reason)
  }
  const { 'content-type': type = '', 'content-encoding': encoding = 'identity' } = response.headers
  // A redirect is as good as no answer: it would lead where nobody has looked.
  if (response.statusCode !== 200) return drop('status')
  if (!/^application\/([\w.-]+\+)?json\s*(;|$)/i.test(type) || encoding !== 'identity') return drop('type')
  if (Number(response.headers['content-length'] ?? 0) > MAX_BYTES) return drop('too_large')
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > MAX_BYTES) return drop('too_large')
    chunks.push(chunk)
  }
  const body = Buffer.concat(chunks).toString('utf8')
  return { ok: true, body, maxAgeSeconds: maxAgeOf(response.headers['cache-control'] ?? '') }
}

function maxAgeOf(cacheControl: string): number | undefined {
  if (/(^|[\s,])no-(store|cache)\b/i.test(cacheControl)) return 0
  const age = /(?:^|[\s,])max-age\s*=\s*"?(\d{1,9})/i.exec(cacheControl)?.[1]
  return age === undefined ? undefined : Number(age)
}

function whenAborted(signal: AbortSignal): Promise<undefined> {
  return new Promise(resolve => signal.addEventListener('abort', () => resolve(undefined), { once: true }))
}

function refuse(reason: NotFetched['reason']): NotFetched {
  return { ok: false, reason }
}
