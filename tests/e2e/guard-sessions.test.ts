import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createFixtureServer } from '../conformance/fixture/mcp-server.ts'
import { createSessions } from '../conformance/fixture/sessions.ts'
import type { Identity } from './identity.ts'
import type { Rules } from './northwind.ts'
import { say } from './say.ts'
import { type GuardedServer, startWorld, type World } from './world.ts'

/** Sessions of the 2025-11-25 era, behind a guard. */
const SILENT = { toolsChanged() {}, promptsChanged() {}, resourcesChanged() {}, resourceUpdated() {} }
const RULES: Rules = { test_simple_text: { needs: 'invoices:read', risk: 'read' } }
let world: World
let bot: Identity
let server: GuardedServer
let mine: string
let theirs: string

beforeAll(async () => {
  world = await startWorld()
  bot = await world.identify('support-bot')
  const sessions = createSessions(() => createFixtureServer(SILENT))
  // The transport of these sessions reads the body itself.
  server = await world.serve({
    name: 'sessions',
    handler: request => sessions.fetch(request),
    rules: RULES,
  })
  mine = await bot.token(server.url)
  theirs = await (await world.identify('billing-analyst')).token(server.url)
})
afterAll(async () => {
  await world[Symbol.asyncDispose]()
})

async function open(token: string): Promise<string> {
  const params = {
    protocolVersion: '2025-11-25',
    capabilities: {},
    clientInfo: { name: 'x', version: '1' },
  }
  const { headers } = await say(server.url, 'initialize', params, { token })
  const session = headers.get('mcp-session-id') ?? ''
  await say(server.url, 'ping', {}, { token, headers: { 'mcp-session-id': session } })
  return session
}
const get = (token: string, headers: Record<string, string>, method = 'GET') =>
  fetch(server.url, {
    method,
    headers: {
      accept: 'text/event-stream',
      'mcp-protocol-version': '2025-11-25',
      authorization: `Bearer ${token}`,
      ...headers,
    },
  })

test('a session of somebody else does not exist, for any method', async () => {
  const session = { 'mcp-session-id': await open(mine) }
  const call = { name: 'test_simple_text', arguments: {} }
  expect((await say(server.url, 'tools/call', call, { token: mine, headers: session })).status).toBe(200)
  expect((await say(server.url, 'tools/call', call, { token: theirs, headers: session })).status).toBe(404)
  expect((await say(server.url, 'tools/list', {}, { token: theirs, headers: session })).status).toBe(404)
  expect((await get(theirs, session)).status).toBe(404)
  expect((await get(theirs, session, 'DELETE')).status).toBe(404)
  expect((await get(mine, { 'mcp-session-id': 'guessed' })).status).toBe(404)
  const again = await say(server.url, 'tools/call', call, {
    token: await bot.token(server.url),
    headers: session,
  })
  expect(again.status).toBe(200)
  expect((await get(mine, session, 'DELETE')).status).toBe(200)
  expect((await say(server.url, 'tools/call', call, { token: mine, headers: session })).status).toBe(404)
})

test('an event id is good only for whom it was given to, in its session', async () => {
  const [session, other] = [await open(mine), await open(mine)]
  const hers = await open(theirs)
  const { text } = await say(
    server.url,
    'tools/list',
    {},
    { token: mine, headers: { 'mcp-session-id': session } },
  )
  const id = /^id: (.+)$/m.exec(text)?.[1] ?? ''
  expect(id).toMatch(/^[\w-]{22}\./)
  const resume = (token: string, own: string, eventId: string) =>
    get(token, { 'mcp-session-id': own, 'last-event-id': eventId })
  expect((await resume(theirs, hers, id)).status).toBe(404)
  expect((await resume(mine, other, id)).status).toBe(404)
  expect((await resume(mine, session, id.slice(23))).status).toBe(404)
  expect((await resume(mine, session, `${'x'.repeat(22)}.${id.slice(23)}`)).status).toBe(404)
  const resumed = await resume(mine, session, id)
  expect(resumed.status).toBe(200)
  await resumed.body?.cancel()
})

test('a list that is fetched again by its event id is filtered all the same', async () => {
  const session = { 'mcp-session-id': await open(mine) }
  const { text } = await say(server.url, 'tools/list', {}, { token: mine, headers: session })
  const first = /^id: (.+)$/m.exec(text)?.[1] ?? ''
  const resumed = await get(mine, { ...session, 'last-event-id': first })
  const reader = resumed.body?.pipeThrough(new TextDecoderStream()).getReader()
  let seen = ''
  while (!seen.includes('"tools"')) {
    const chunk = await Promise.race([reader?.read(), sleep(3_000)])
    if (!chunk?.value) break
    seen += chunk.value
  }
  expect(seen).toContain('test_simple_text')
  expect(seen).not.toContain('test_image_content')
  await reader?.cancel()
})
