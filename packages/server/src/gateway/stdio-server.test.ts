import { afterEach, expect, test } from 'vitest'
import { createStdioServer, type StdioServer } from './stdio-server.ts'

let server: StdioServer | undefined
afterEach(() => server?.close())

const INITIALIZE = {
  ...{ jsonrpc: '2.0', id: 1, method: 'initialize' },
  params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'x', version: '1' } },
}

/** Answers the first message of a session, then ends. */
const ENDS = `process.stdin.once('data', () => {
  console.log(JSON.stringify({ jsonrpc: '2.0', id: 1, result: {
    protocolVersion: '2025-11-25', capabilities: {}, serverInfo: { name: process.env.SHOWN ?? 'nothing', version: process.env.HIDDEN ?? '0' },
  } }))
  process.stdin.once('data', () => process.exit(1))
})`

function open(command: string, args: string[] = [], env: Record<string, string> = {}): StdioServer {
  server = createStdioServer({ command, args, env, cwd: process.cwd(), log: () => undefined })
  return server
}

async function send(body: object, session?: string): Promise<Response> {
  const headers = {
    ...{ 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
    ...(session !== undefined && { 'mcp-session-id': session, 'mcp-protocol-version': '2025-11-25' }),
  }
  const request = new Request('http://server.test/mcp', {
    method: 'POST',
    headers,
    body: JSON.stringify(body),
  })
  return (await server?.handler(request, {} as never)) ?? Response.error()
}

test('a command that cannot be started is said to be so', async () => {
  open('/nowhere/at-all')
  await expect(send(INITIALIZE)).rejects.toMatchObject({
    code: 'upstream.unreachable',
    message: expect.stringContaining('/nowhere/at-all'),
  })
})

test('a session begins with initialize, and an unknown one is not found', async () => {
  open(process.execPath, ['-e', ENDS])
  const list = { jsonrpc: '2.0', id: 1, method: 'tools/list' }
  expect((await send(list)).status).toBe(400)
  expect((await send(list, 'guessed')).status).toBe(404)
})

test('the command gets what is named of the environment, and a request ends with an answer when it ends', async () => {
  process.env['HIDDEN'] = 'a key of ours'
  open(process.execPath, ['-e', ENDS], { SHOWN: 'shown' })
  const begun = await send(INITIALIZE)
  expect(await begun.text()).toContain('"serverInfo":{"name":"shown","version":"0"}')
  const session = begun.headers.get('mcp-session-id') ?? ''
  const call = await send({ jsonrpc: '2.0', id: 2, method: 'tools/list' }, session)
  expect(await call.text()).toContain('The server behind ended.')
  delete process.env['HIDDEN']
})
