import { type IncomingMessage, request as requestInClear } from 'node:http'
import { request as requestByTls } from 'node:https'
import { type NotReachable, pinnedLookup, type Reach } from './reach.ts'

/** What the other side said. A redirect is an answer like any other: nobody follows it. */
export interface Posted {
  ok: true
  status: number
  headers: IncomingMessage['headers']
  /** The beginning of it; what is longer than was asked for is cut. */
  body: string
}

export interface NotPosted {
  ok: false
  reason: NotReachable['reason'] | 'unreachable'
  /** What the connection failed with, for whoever runs this node or named the address. */
  detail?: string
}

export interface PostRequest {
  headers: Record<string, string>
  body: string | Uint8Array
  timeoutMs: number
  /** Whom to trust instead of the authorities that this machine knows, as PEM. */
  ca?: string | undefined
}

export type Post = (url: URL, request: PostRequest) => Promise<Posted | NotPosted>

const MAX_HEADER_BYTES = 8 * 1024
const MAX_ANSWER_BYTES = 16 * 1024

/** Sends to an address that somebody has named, with limits on time and on what comes back. In clear only where the caller let the URL say so. */
export function createPost(reach: Reach): Post {
  return async (url, sent) => {
    const limit = AbortSignal.timeout(sent.timeoutMs)
    const found = await reach(url, limit)
    return found.ok ? send(url, sent, found.addresses, limit) : found
  }
}

function send(
  url: URL,
  { headers, body, ca }: PostRequest,
  addresses: readonly string[],
  signal: AbortSignal,
): Promise<Posted | NotPosted> {
  return new Promise(settle => {
    const fail = (error: NodeJS.ErrnoException) =>
      settle(
        signal.aborted
          ? { ok: false, reason: 'timeout' }
          : { ok: false, reason: 'unreachable', detail: error.code ?? error.message },
      )
    const open = url.protocol === 'https:' ? requestByTls : requestInClear
    open(
      url,
      {
        method: 'POST',
        agent: false,
        headers: {
          'user-agent': 'valetkey',
          'accept-encoding': 'identity',
          ...headers,
          'content-length': Buffer.byteLength(body),
        },
        lookup: pinnedLookup(addresses),
        maxHeaderSize: MAX_HEADER_BYTES,
        ...(ca !== undefined && { ca }),
        signal,
      },
      response => void read(response).then(settle, fail),
    )
      .on('error', fail)
      .end(body)
  })
}

async function read(response: IncomingMessage): Promise<Posted> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    chunks.push(chunk)
    size += chunk.length
    // What matters of an answer stands at its beginning.
    if (size > MAX_ANSWER_BYTES) break
  }
  const body = Buffer.concat(chunks).subarray(0, MAX_ANSWER_BYTES).toString('utf8')
  return { ok: true, status: response.statusCode ?? 0, headers: response.headers, body }
}
