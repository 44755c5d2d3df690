import type { IncomingMessage } from 'node:http'
import { request } from 'node:https'
import { createReach, pinnedLookup, type ReachOptions } from '../../outbound/index.ts'

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

export type OutboundOptions = ReachOptions

export type OutboundFetch = (url: string) => Promise<Fetched | NotFetched>

const MAX_BYTES = 5 * 1024
const MAX_HEADER_BYTES = 8 * 1024
const TIME_LIMIT_MS = 5_000
const MOST_AT_ONCE = 32

/**
 * Fetches a JSON document from an address that a stranger has named: by https alone, from public addresses alone, which are
 * looked up once and then connected to, with limits on time and size, and never anywhere else than where it was asked for.
 */
export function createOutboundFetch(
  /** `maxBytes`: how much an answer may be; five kilobytes, where nothing is said. */
  options: OutboundOptions & { maxBytes?: number },
): OutboundFetch {
  const { maxBytes = MAX_BYTES } = options
  const reach = createReach(options)
  let running = 0
  return async text => {
    const url = parseUrl(text)
    if (!url) return refuse('url')
    if (running >= MOST_AT_ONCE) return refuse('busy')
    running++
    const limit = AbortSignal.timeout(TIME_LIMIT_MS)
    try {
      const found = await reach(url, limit)
      return found.ok ? await get(url, found.addresses, limit, maxBytes) : refuse(found.reason)
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

function get(
  url: URL,
  addresses: readonly string[],
  signal: AbortSignal,
  maxBytes: number,
): Promise<Fetched | NotFetched> {
  return new Promise(settle => {
    const fail = () => settle(refuse(signal.aborted ? 'timeout' : 'unreachable'))
    request(
      url,
      {
        agent: false,
        headers: { accept: 'application/json', 'accept-encoding': 'identity', 'user-agent': 'valetkey' },
        lookup: pinnedLookup(addresses),
        maxHeaderSize: MAX_HEADER_BYTES,
        signal,
      },
      response => void read(response, maxBytes).then(settle, fail),
    )
      .on('error', fail)
      .end()
  })
}

async function read(response: IncomingMessage, maxBytes: number): Promise<Fetched | NotFetched> {
  const drop = (reason: NotFetched['reason']) => {
    response.destroy()
    return refuse(reason)
  }
  const { 'content-type': type = '', 'content-encoding': encoding = 'identity' } = response.headers
  // A redirect is as good as no answer: it would lead where nobody has looked.
  if (response.statusCode !== 200) return drop('status')
  if (!/^application\/([\w.-]+\+)?json\s*(;|$)/i.test(type) || encoding !== 'identity') return drop('type')
  if (Number(response.headers['content-length'] ?? 0) > maxBytes) return drop('too_large')
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > maxBytes) return drop('too_large')
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

function refuse(reason: NotFetched['reason']): NotFetched {
  return { ok: false, reason }
}
