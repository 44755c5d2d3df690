import { AppError, type Json, type JsonObject } from '../../core/index.ts'
import { MODERN } from '../protocol/message.ts'
import { readEvents } from '../protocol/sse.ts'

const LEGACY = '2025-11-25'
const CLIENT_INFO = { name: 'valetkey', version: '0.1.0' }
const MOST_PAGES = 200

export type Send = (request: Request) => Response | Promise<Response>

/** A client that only asks what a server has: enough of MCP, in both eras, to read its lists. */
export interface McpClient {
  era: 'modern' | 'legacy'
  capabilities: JsonObject
  /** All pages of a list; empty where the server does not know the method. */
  list(method: string, member: string): Promise<JsonObject[]>
  close(): Promise<void>
}

/** Connects in the era that the server speaks. Throws `upstream.unreachable`, `upstream.timeout` or `upstream.invalid`. */
export async function connectMcp(options: {
  url: string
  send: Send
  headers?: Record<string, string>
  timeoutMs?: number
}): Promise<McpClient> {
  const exchange = createExchange(options)
  const discovered = await exchange.modern('server/discover', {})
  const era = 'result' in discovered ? 'modern' : 'legacy'
  const hello = era === 'modern' ? discovered : await exchange.initialize()
  if (!('result' in hello))
    throw new AppError('upstream.invalid', `${options.url} is not an MCP server: ${hello.error.message}`)
  const call = (method: string, params: JsonObject) =>
    era === 'modern' ? exchange.modern(method, params) : exchange.legacy(method, params)
  return {
    era,
    capabilities: objectOf(hello.result['capabilities']),
    async list(method, member) {
      const items: JsonObject[] = []
      let cursor: string | undefined
      for (let page = 0; page < MOST_PAGES; page++) {
        const answer = await call(method, cursor === undefined ? {} : { cursor })
        if (!('result' in answer)) return items
        const found = answer.result[member]
        if (Array.isArray(found)) items.push(...found.map(objectOf))
        const next = answer.result['nextCursor']
        if (typeof next !== 'string') return items
        cursor = next
      }
      throw new AppError('upstream.invalid', `${options.url} has more than ${MOST_PAGES} pages of ${member}.`)
    },
    close: () => exchange.close(),
  }
}

type Reply = { result: JsonObject } | { error: { code: number; message: string } }

function createExchange(options: {
  url: string
  send: Send
  headers?: Record<string, string>
  timeoutMs?: number
}) {
  const { url, send, timeoutMs = 10_000 } = options
  let session: string | undefined
  let next = 1

  async function post(message: JsonObject, headers: Record<string, string>): Promise<Response> {
    const request = new Request(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        ...options.headers,
        ...headers,
      },
      body: JSON.stringify(message),
      signal: AbortSignal.timeout(timeoutMs),
    })
    try {
      return await within(send(request), request.signal)
    } catch (cause) {
      if (cause instanceof AppError) throw cause
      throw timeoutOf(cause) ?? new AppError('upstream.unreachable', `${url} does not answer.`, { cause })
    }
  }

  function timeoutOf(cause: unknown): AppError | undefined {
    if (!(cause instanceof Error && cause.name === 'TimeoutError')) return undefined
    return new AppError('upstream.timeout', `${url} did not answer within ${timeoutMs} ms.`, { cause })
  }

  async function ask(method: string, params: JsonObject, headers: Record<string, string>): Promise<Reply> {
    const id = next++
    const response = await post({ jsonrpc: '2.0', id, method, params }, headers)
    session = response.headers.get('mcp-session-id') ?? session
    const until = AbortSignal.timeout(timeoutMs)
    const message = await within(readAnswer(response, id, until), until).catch(cause => {
      throw timeoutOf(cause) ?? cause
    })
    if (message && 'result' in message) return { result: objectOf(message['result']) }
    const error = objectOf(message?.['error'])
    return {
      error: {
        code: Number(error['code'] ?? response.status),
        message: String(error['message'] ?? `HTTP ${response.status}`),
      },
    }
  }

  const legacyHeaders = () => ({
    'mcp-protocol-version': LEGACY,
    ...(session !== undefined && { 'mcp-session-id': session }),
  })
  return {
    modern: (method: string, params: JsonObject) =>
      ask(
        method,
        {
          ...params,
          _meta: {
            'io.modelcontextprotocol/protocolVersion': MODERN,
            'io.modelcontextprotocol/clientInfo': CLIENT_INFO,
            'io.modelcontextprotocol/clientCapabilities': {},
          },
        },
        { 'mcp-protocol-version': MODERN, 'mcp-method': method },
      ),
    legacy: (method: string, params: JsonObject) => ask(method, params, legacyHeaders()),
    async initialize(): Promise<Reply> {
      const params = { protocolVersion: LEGACY, capabilities: {}, clientInfo: CLIENT_INFO }
      const reply = await ask('initialize', params, {})
      const ready = await post({ jsonrpc: '2.0', method: 'notifications/initialized' }, legacyHeaders())
      await ready.body?.cancel()
      return reply
    },
    async close(): Promise<void> {
      if (session === undefined) return
      const request = new Request(url, {
        method: 'DELETE',
        headers: { ...options.headers, ...legacyHeaders() },
      })
      await Promise.resolve(send(request)).then(
        response => response.body?.cancel(),
        () => undefined,
      )
    },
  }
}

/** Waits no longer than that, also for a handler in this process that does not look at the signal. */
function within<T>(work: T | Promise<T>, until: AbortSignal): Promise<T> {
  const late = new Promise<never>((_, reject) => {
    until.addEventListener('abort', () => reject(until.reason), { once: true })
  })
  return Promise.race([work, late])
}

async function readAnswer(
  response: Response,
  id: number,
  signal: AbortSignal,
): Promise<JsonObject | undefined> {
  if (!response.headers.get('content-type')?.startsWith('text/event-stream')) {
    const text = await response.text()
    try {
      return objectOf(JSON.parse(text) as Json)
    } catch {
      return undefined
    }
  }
  for await (const event of readEvents(response.body, signal)) {
    const message = objectOf(JSON.parse(event.data) as Json)
    if (message['id'] === id) return message
  }
  return undefined
}

function objectOf(value: Json | undefined): JsonObject {
  return value !== null && typeof value === 'object' && !Array.isArray(value) ? value : {}
}
