import { hash, randomBytes, timingSafeEqual } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { AppError } from '@valetkey/sdk/core'
import { listenOn, originOf } from './admin.ts'
import { readBody } from './body.ts'

/** An MCP endpoint on this machine for one client that can hold no key, but can send a header. */
export interface LoopbackFront {
  url: string
  /** Good until this process ends. */
  secret: string
  close(): Promise<void>
}

const MAX_BODY = 4 << 20
/** What of a request goes on; nothing that says who somebody is. */
const FORWARDED = /^(accept|content-type|last-event-id|mcp-.*)$/
const LOOPBACK = ['127.0.0.1', '::1', 'localhost']

/** Listens on loopback alone, and takes only who knows the secret of this launch. */
export async function listenOnLoopback(options: {
  /** The MCP server, and how it is reached as the agent. */
  url: string
  fetch: typeof globalThis.fetch
  listen: { host: string; port: number }
  log(message: string, fault?: unknown): void
}): Promise<LoopbackFront> {
  const { url, fetch, listen, log } = options
  if (!LOOPBACK.includes(listen.host))
    throw new AppError('config.unsafe', 'A key is lent on loopback alone: listen on 127.0.0.1.', {
      path: 'listen',
    })
  const secret = `vk_launch_${randomBytes(32).toString('base64url')}`
  const server = createServer((request, response) => {
    serve(request, response).catch(fault => {
      log('A call failed.', fault)
      if (response.headersSent) response.destroy()
      else say(response, fault instanceof AppError ? fault.status : 502, sentenceOf(fault))
    })
  })

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // A web page in a browser on this machine can reach loopback, under names of its own too.
    if (!isHere(request) || request.headers.origin !== undefined)
      return say(response, 403, 'This endpoint is for a program on this machine.')
    if (!knows(secret, request.headers.authorization))
      return say(response, 401, 'The secret is missing or wrong.')
    if (request.url !== path) return say(response, 404, 'There is nothing here.')
    const body = request.method === 'POST' ? await readBody(request, MAX_BODY) : undefined
    if (typeof body === 'number') return say(response, body, 'The body is too long, or not UTF-8.')
    const leaving = new AbortController()
    response.once('close', () => leaving.abort())
    const answer = await fetch(url, {
      method: request.method ?? 'GET',
      headers: forwarded(request),
      ...(body !== undefined && { body }),
      signal: leaving.signal,
    })
    const headers = [...answer.headers].filter(([name]) => FORWARDED.test(name) || name === 'cache-control')
    response.writeHead(answer.status, Object.fromEntries(headers))
    response.flushHeaders()
    if (answer.body) await pipeline(Readable.fromWeb(answer.body as never), response).catch(() => undefined)
    else response.end()
  }

  const path = new URL(url).pathname
  await listenOn(server, listen)
  return {
    url: `${originOf(server)}${path}`,
    secret,
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

function isHere({ headers }: IncomingMessage): boolean {
  const host = URL.parse(`http://${headers.host}`)?.hostname.replace(/^\[|\]$/g, '')
  return host !== undefined && LOOPBACK.includes(host)
}

function knows(secret: string, shown = ''): boolean {
  return timingSafeEqual(hash('sha256', `Bearer ${secret}`, 'buffer'), hash('sha256', shown, 'buffer'))
}

function forwarded({ headers }: IncomingMessage): Headers {
  const kept = new Headers()
  for (const [name, value] of Object.entries(headers))
    if (FORWARDED.test(name) && typeof value === 'string') kept.set(name, value)
  return kept
}

function say(response: ServerResponse, status: number, message: string): void {
  const body = JSON.stringify({ jsonrpc: '2.0', id: null, error: { code: 40_101, message } })
  response.writeHead(status, { 'content-type': 'application/json', connection: 'close' }).end(body)
}

function sentenceOf(fault: unknown): string {
  return fault instanceof AppError ? fault.message : 'The MCP server cannot be reached.'
}
