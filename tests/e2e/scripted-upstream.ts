import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface ScriptedCall {
  // biome-ignore lint/suspicious/noExplicitAny: a message as it arrived, for a test to look into
  message: any
  request: IncomingMessage
  response: ServerResponse
  /** Answers as MCP servers do: a JSON-RPC result to this message. */
  reply(result: object): void
}

/** An MCP server of 2026-07-28 that lists tools as told and does with calls what the test says. */
export interface ScriptedUpstream extends AsyncDisposable {
  url: string
  port: number
  tools: Record<string, unknown>[]
  calls: ScriptedCall[]
  onCall(call: ScriptedCall): void
  /** The same for its list of tools, once a test says so. */
  onList: ((call: ScriptedCall) => void) | null
  /** What it demands of `authorization` before it answers anything. */
  secret: string | null
  /** Resolves once a caller's connection to a call was given up. */
  abandoned: Promise<void>
}

export const ECHO = {
  name: 'echo',
  description: 'Says it back',
  inputSchema: { type: 'object', properties: { stream: { type: 'boolean' } } },
}

export async function startScriptedUpstream(port = 0): Promise<ScriptedUpstream> {
  const abandoned = Promise.withResolvers<void>()
  const server = createServer((request, response) => {
    response.once('close', () => {
      if (!response.writableFinished) abandoned.resolve()
    })
    void readText(request).then(text => answer(request, response, text))
  })
  await new Promise<void>(resolve => {
    server.listen(port, '127.0.0.1', resolve)
  })
  const bound = (server.address() as AddressInfo).port
  const upstream: ScriptedUpstream = {
    url: `http://127.0.0.1:${bound}/mcp`,
    port: bound,
    tools: [ECHO],
    calls: [],
    onCall: ({ reply }) => reply({ content: [{ type: 'text', text: 'done' }] }),
    onList: null,
    secret: null,
    abandoned: abandoned.promise,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise<void>(resolve => void server.close(() => resolve()))
    },
  }

  function answer(request: IncomingMessage, response: ServerResponse, text: string): void {
    if (upstream.secret !== null && request.headers.authorization !== upstream.secret)
      return void response.writeHead(401, { 'www-authenticate': 'Bearer realm="theirs"' }).end()
    if (text === '') return void response.writeHead(405).end()
    const message = JSON.parse(text)
    const reply = (result: object) =>
      response
        .writeHead(200, { 'content-type': 'application/json' })
        .end(
          JSON.stringify({ jsonrpc: '2.0', id: message.id, result: { resultType: 'complete', ...result } }),
        )
    if (message.method === 'server/discover')
      return void reply({
        supportedVersions: ['2026-07-28'],
        capabilities: { tools: { listChanged: true } },
        serverInfo: { name: 'scripted', version: '1' },
      })
    const call = { message, request, response, reply }
    if (message.method === 'tools/list' && upstream.onList) return void upstream.onList(call)
    if (message.method === 'tools/list') return void reply({ tools: upstream.tools })
    upstream.calls.push(call)
    upstream.onCall(call)
  }
  return upstream
}

async function readText(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of request.setEncoding('utf8')) text += chunk
  return text
}

/** Says one event of a stream. */
export function event(data: object, id?: string): string {
  return `${id === undefined ? '' : `id: ${id}\n`}data: ${JSON.stringify(data)}\n\n`
}
