import { afterEach, expect, test, vi } from 'vitest'
import { createStdioServer, type StdioServer } from './stdio-server.ts'

let server: StdioServer | undefined
afterEach(() => {
  vi.useRealTimers()
  return server?.close()
})

const INITIALIZE = {
  ...{ jsonrpc: '2.0', id: 1, method: 'initialize' },
  params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'x', version: '1' } },
}

const BOTH = 'application/json, text/event-stream'

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

async function send(body: object, session?: string, accept = BOTH, agent?: string): Promise<Response> {
  const headers = {
    ...{ 'content-type': 'application/json', accept },
    ...(session !== undefined && { 'mcp-session-id': session, 'mcp-protocol-version': '2025-11-25' }),
  }
  const request = new Request('http://server.test/mcp', {
    method: 'POST',
    headers,
    body: JSON.stringify(body),
  })
  return (
    (await server?.handler(request, (agent ? { authInfo: { extra: { agent } } } : {}) as never)) ??
    Response.error()
  )
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

/** Answers the first message of a session, and no other. */
const SILENT = `process.stdin.once('data', () => {
  console.log(JSON.stringify({ jsonrpc: '2.0', id: 1, result: {
    protocolVersion: '2025-11-25', capabilities: {}, serverInfo: { name: 'x', version: '0' },
  } }))
  process.stdin.resume()
})`

test('a session whose only request was cancelled ends like any that is idle', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] })
  open(process.execPath, ['-e', SILENT])
  const begun = await send(INITIALIZE)
  await begun.text()
  const session = begun.headers.get('mcp-session-id') ?? ''
  await send({ jsonrpc: '2.0', id: 2, method: 'tools/list' }, session)
  const cancelled = { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 2 } }
  expect((await send(cancelled, session)).status).toBe(202)
  vi.advanceTimersByTime(12 * 60_000)
  expect((await send({ jsonrpc: '2.0', id: 3, method: 'tools/list' }, session)).status).toBe(404)
})

test('what does not become a session leaves no process behind', async () => {
  open('cat')
  for (let i = 0; i < 65; i++)
    expect((await send(INITIALIZE, undefined, 'application/json')).status).toBe(406)
})

test('as many sessions as may be, and not one more where many begin at once', async () => {
  open('cat')
  const begun = await Promise.all(Array.from({ length: 70 }, () => send(INITIALIZE)))
  expect(begun.map(({ status }) => status).filter(status => status === 503)).toHaveLength(6)
})

/** The same, begun faster than Node. */
const QUICK = `read -r _; echo '{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"x","version":"0"}}}'; cat >/dev/null`

test('one agent keeps no other out: of its own sessions the one not used for longest makes room', async () => {
  open('sh', ['-c', QUICK])
  const begin = async (agent: string) => {
    const begun = await send(INITIALIZE, undefined, BOTH, agent)
    await begun.text()
    return begun.headers.get('mcp-session-id') ?? ''
  }
  const others = await begin('other')
  const own: string[] = []
  for (let i = 0; i < 17; i++) own.push(await begin('busy'))
  const ping = { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 9 } }
  const alive = await Promise.all([others, ...own].map(async session => (await send(ping, session)).status))
  expect(alive).toEqual([202, 404, ...Array(16).fill(202)])
  // With something under way in each, none makes room, and those who begin at once are counted.
  for (const session of own.slice(1)) await send({ jsonrpc: '2.0', id: 5, method: 'tools/list' }, session)
  expect((await send(INITIALIZE, undefined, BOTH, 'busy')).status).toBe(503)
  const many = await Promise.all(Array.from({ length: 20 }, () => send(INITIALIZE, undefined, BOTH, 'third')))
  expect(many.filter(({ status }) => status === 503)).toHaveLength(4)
})
