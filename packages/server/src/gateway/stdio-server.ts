import { randomUUID } from 'node:crypto'
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio'
import { type JSONRPCMessage, WebStandardStreamableHTTPServerTransport } from '@modelcontextprotocol/server'
import { AppError } from '@valetkey/sdk/core'
import type { Handler, HandlerOptions } from '@valetkey/sdk/guard'
import { cancelledBy } from './cancelled.ts'

/** An MCP server that speaks over stdin and stdout, as a handler that a guard can stand before. */
export interface StdioServer {
  handler: Handler
  close(): Promise<void>
}

interface StdioServerOptions {
  command: string
  args: readonly string[]
  cwd: string
  /** What the command gets beside what any program needs. */
  env?: Record<string, string>
  log(message: string, fault?: unknown): void
}

/** One process for one session: what a process holds in memory is never another caller's. */
interface Session {
  id: string
  /** The agent that began it; undefined for who has no identity here. */
  owner: string | undefined
  http: WebStandardStreamableHTTPServerTransport
  process: StdioClientTransport
  /** Requests under way in the process, by the token that their progress is reported with. */
  underWay: Map<string | number, string | number | undefined>
  usedAt: number
}

const MOST_SESSIONS = 64
/** So that one agent does not keep the others out. */
const MOST_OF_AN_AGENT = 16
const IDLE_MS = 10 * 60_000
const LOOK_EVERY_MS = 60_000
const NO_SESSION = 'There is no such session: begin anew with initialize.'

/** Starts the command for each session, with nothing of our environment but what any program needs. */
export function createStdioServer(options: StdioServerOptions): StdioServer {
  const sessions = new Map<string, Session>()
  const opening = new Map<Promise<Session>, string | undefined>()
  let isClosed = false
  const end = async (id: string) => {
    const session = sessions.get(id)
    if (!sessions.delete(id) || !session) return
    await session.http.close().catch(() => undefined)
    await session.process.close().catch(() => undefined)
  }
  const begin = (owner: string | undefined) => {
    const session = open(options, owner, sessions, end).finally(() => opening.delete(session))
    opening.set(session, owner)
    return session
  }
  /** Whether this agent may begin another one; the one that it has not used for longest makes room. */
  const makeRoom = (owner: string | undefined) => {
    const own = owner === undefined ? [] : [...sessions.values()].filter(session => session.owner === owner)
    const begun = owner === undefined ? 0 : [...opening.values()].filter(of => of === owner).length
    if (own.length + begun < MOST_OF_AN_AGENT) return true
    const [oldest] = own.filter(({ underWay }) => underWay.size === 0).sort((a, b) => a.usedAt - b.usedAt)
    if (oldest) void end(oldest.id)
    return oldest !== undefined
  }
  const looking = setInterval(() => {
    for (const [id, { usedAt, underWay }] of sessions)
      if (underWay.size === 0 && performance.now() - usedAt > IDLE_MS) void end(id)
  }, LOOK_EVERY_MS).unref()

  return {
    async handler(request, given) {
      // Not parsed yet where the guard itself looks at what is offered.
      const parsedBody = given.parsedBody ?? (await readJson(request))
      const id = request.headers.get('mcp-session-id')
      const known = id === null ? undefined : sessions.get(id)
      if (id !== null && !known) return answer(404, NO_SESSION, parsedBody)
      if (known) {
        known.usedAt = performance.now()
        return known.http.handleRequest(request, { parsedBody })
      }
      // Of the newest revision is no process that we start: such a client then speaks the one before.
      if (methodOf(parsedBody) !== 'initialize') return answer(400, NO_SESSION, parsedBody)
      const owner = ownerOf(given)
      if (isClosed || !makeRoom(owner) || sessions.size + opening.size >= MOST_SESSIONS)
        return answer(503, 'Too many sessions are open here.', parsedBody)
      const session = await begin(owner)
      const response = await session.http.handleRequest(request, { parsedBody })
      // Nobody knows a session that did not begin.
      if (!response.ok) await end(session.id)
      return response
    },
    async close() {
      isClosed = true
      clearInterval(looking)
      await Promise.allSettled(opening.keys())
      await Promise.all([...sessions.keys()].map(end))
    },
  }
}

async function open(
  { command, args, cwd, env = {}, log }: StdioServerOptions,
  owner: string | undefined,
  sessions: Map<string, Session>,
  end: (id: string) => Promise<void>,
): Promise<Session> {
  const id = randomUUID()
  const underWay: Session['underWay'] = new Map()
  const process = new StdioClientTransport({ command, args: [...args], cwd, env, stderr: 'inherit' })
  const http = new WebStandardStreamableHTTPServerTransport({
    sessionIdGenerator: () => id,
    onsessionclosed: () => end(id),
  })
  http.onmessage = message => {
    if ('method' in message && 'id' in message) underWay.set(message.id, progressTokenOf(message))
    const cancelled = cancelledBy(message)
    // It is not answered any more (MCP, cancellation).
    if (cancelled !== undefined) underWay.delete(cancelled)
    void process.send(message).catch(fault => log('The server behind takes no message.', fault))
  }
  process.onmessage = message => {
    const about = requestOf(message, underWay)
    if (!('method' in message) && message.id !== undefined) underWay.delete(message.id)
    void http
      .send(message, about === undefined ? {} : { relatedRequestId: about })
      .catch(fault => log('A message of the server behind reaches nobody.', fault))
  }
  process.onclose = () => {
    for (const under of underWay.keys())
      void http.send(toError(under, 'The server behind ended.') as never).catch(() => undefined)
    underWay.clear()
    void end(id)
  }
  process.onerror = fault => log('The server behind sends what is not MCP.', fault)
  await http.start()
  await process.start().catch(cause => {
    throw new AppError('upstream.unreachable', `The command ${command} cannot be started.`, { cause })
  })
  const session = { id, owner, http, process, underWay, usedAt: performance.now() }
  sessions.set(id, session)
  return session
}

/** The request that a message belongs to: its answer, its progress, or what can be about nothing else. */
function requestOf(message: JSONRPCMessage, underWay: Session['underWay']): string | number | undefined {
  if (!('method' in message)) return message.id
  const token = (message.params as { progressToken?: string | number } | undefined)?.progressToken
  if (token !== undefined) return [...underWay].find(([, reported]) => reported === token)?.[0]
  return underWay.size === 1 ? [...underWay.keys()][0] : undefined
}

function progressTokenOf(message: JSONRPCMessage): string | number | undefined {
  const params =
    'params' in message ? (message.params as { _meta?: { progressToken?: string | number } }) : undefined
  return params?._meta?.progressToken
}

function ownerOf({ authInfo }: Partial<HandlerOptions>): string | undefined {
  return authInfo && `${authInfo.extra.organization} ${authInfo.extra.agent}`
}

async function readJson(request: Request): Promise<unknown> {
  if (request.method !== 'POST') return undefined
  return request.json().catch(() => undefined)
}

function methodOf(body: unknown): unknown {
  return typeof body === 'object' && body !== null && 'method' in body ? body.method : undefined
}

function answer(status: number, sentence: string, body: unknown): Response {
  const id = typeof body === 'object' && body !== null && 'id' in body ? body.id : null
  return Response.json(toError(id, sentence), { status })
}

/** Outside of what JSON-RPC and MCP keep for themselves. */
function toError(id: unknown, message: string) {
  return { jsonrpc: '2.0', id, error: { code: 50_301, message } }
}
