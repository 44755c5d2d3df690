import { type IncomingMessage, request as requestInClear } from 'node:http'
import { request as requestByTls } from 'node:https'
import { isOwnAddress } from './public-address.ts'
import { type NotReachable, pinnedLookup, type Reach } from './reach.ts'

const TIMEOUT_MS = 5_000
const MOST_BYTES = 512 * 1024
const MAX_HEADER_BYTES = 16 * 1024

/** Why nothing was fetched, or not to its end. */
export type OutboundReason = NotReachable['reason'] | 'unreachable' | 'redirect' | 'too_large'

export class OutboundFault extends Error {
  override name = 'OutboundFault'
  readonly reason: OutboundReason
  constructor(reason: OutboundReason, cause?: unknown) {
    super(reason, cause === undefined ? undefined : { cause })
    this.reason = reason
  }
}

/** Fetches within limits; rejects with an `OutboundFault` where there is no whole answer. */
export type LimitedFetch = (url: string, init?: RequestInit) => Promise<Response>

/**
 * Asks an address that an administrator has named, or that was found there: looked up once and then connected to, five
 * seconds and half a megabyte at most, by https (within this machine also in clear), and never anywhere else than where it
 * was asked for.
 */
export function createFetch(reach: Reach): LimitedFetch {
  return async (text, init = {}) => {
    const limit = AbortSignal.timeout(TIMEOUT_MS)
    try {
      const { signal: _, ...rest } = init
      const sent = new Request(text, rest)
      const url = new URL(sent.url)
      const found = await reach(url, limit)
      if (!found.ok) throw new OutboundFault(found.reason)
      // What is found somewhere may name addresses in clear; nothing leaves this machine so.
      if (url.protocol !== 'https:' && !found.addresses.every(isOwnAddress))
        throw new OutboundFault('address')
      return await read(await send(url, sent, found.addresses, limit))
    } catch (cause) {
      if (cause instanceof OutboundFault) throw cause
      throw new OutboundFault(limit.aborted ? 'timeout' : 'unreachable', cause)
    }
  }
}

async function send(
  url: URL,
  sent: Request,
  addresses: readonly string[],
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const body = Buffer.from(await sent.arrayBuffer())
  const headers = {
    ...Object.fromEntries(sent.headers),
    ...{ 'user-agent': 'valetkey', 'accept-encoding': 'identity' },
    ...(body.length > 0 && { 'content-length': body.length }),
  }
  const open = url.protocol === 'https:' ? requestByTls : requestInClear
  return new Promise((resolve, reject) => {
    open(
      url,
      {
        ...{ method: sent.method, agent: false, headers, signal },
        ...{ lookup: pinnedLookup(addresses), maxHeaderSize: MAX_HEADER_BYTES },
      },
      resolve,
    )
      .on('error', reject)
      .end(body)
  })
}

async function read(answer: IncomingMessage): Promise<Response> {
  const { statusCode: status = 502, rawHeaders } = answer
  const drop = (reason: OutboundReason) => {
    answer.destroy()
    return new OutboundFault(reason)
  }
  // It would lead where nobody has looked.
  if (status >= 300 && status < 400) throw drop('redirect')
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > MOST_BYTES) throw drop('too_large')
    chunks.push(chunk)
  }
  const headers = new Headers()
  for (let at = 0; at + 1 < rawHeaders.length; at += 2)
    headers.append(rawHeaders[at] ?? '', rawHeaders[at + 1] ?? '')
  const isEmpty = status === 204 || status === 205
  return new Response(isEmpty ? null : Buffer.concat(chunks), { status, headers })
}
