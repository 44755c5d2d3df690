import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Fixture, startFixture } from '../conformance/fixture/index.ts'
import { chainOf, type Hand } from '../integration/delegation-stage.ts'
import { type GatewayStage, startGatewayStage } from './gateway-stage.ts'
import { createHand } from './hand.ts'
import { read, say, send } from './say.ts'
import { ECHO, event, type ScriptedUpstream, startScriptedUpstream } from './scripted-upstream.ts'
import { startWorld, type World } from './world.ts'

let world: World
let fixture: Fixture
let stage: GatewayStage
let scripted: ScriptedUpstream
let behindScripted: GatewayStage

const RULES = {
  test_simple_text: { needs: 'files:read' },
  test_error_handling: { needs: 'files:read' },
  test_tool_with_progress: { needs: 'files:read' },
  test_image_content: { needs: 'files:write' },
}

beforeAll(async () => {
  world = await startWorld()
  fixture = await startFixture()
  stage = await startGatewayStage(world, { name: 'fixture', upstream: fixture.url, rules: RULES })
  await world.api.agents.create({ name: 'neighbour', owner: 'jon@northwind.test', ceiling: ['files:*'] })
  await world.api.assignments.create({ principal: 'neighbour', role: 'support-agent' })
  scripted = await startScriptedUpstream()
  behindScripted = await startGatewayStage(world, {
    name: 'scripted',
    upstream: scripted.url,
    rules: { echo: { needs: 'files:read' } },
    gateway: { adminListen: { host: '127.0.0.1', port: 0 } },
  })
})

afterAll(async () => {
  await behindScripted[Symbol.asyncDispose]()
  await stage[Symbol.asyncDispose]()
  await scripted[Symbol.asyncDispose]()
  await fixture.close()
  await world[Symbol.asyncDispose]()
})

test.each(['modern', 'legacy'] as const)(
  '%s: a permitted call gives its real result, a role that is missing and an unmapped tool a reason',
  async era => {
    const session = era === 'legacy' ? await openSession() : {}
    const call = (name: string) =>
      say(stage.url, 'tools/call', { name }, { token: stage.token, era, headers: session })
    const permitted = await call('test_simple_text')
    expect(permitted.status).toBe(200)
    expect(permitted.body?.result?.content?.[0]?.text).toContain('simple text response')
    const refused = await call('test_image_content')
    expect(refused.body?.result?.isError).toBe(true)
    expect(refused.body?.result?.content?.[0]?.text).toMatch(/^Denied: .*files:write/)
    const unmapped = await call('test_audio_content')
    expect(JSON.stringify(unmapped.body)).toContain('tool_unmapped')
  },
)

test.each(['modern', 'legacy'] as const)('%s: the list shows only what this agent could use', async era => {
  const session = era === 'legacy' ? await openSession() : {}
  const { body } = await say(stage.url, 'tools/list', {}, { token: stage.token, era, headers: session })
  expect(body?.result?.tools?.map(({ name }: { name: string }) => name).sort()).toEqual([
    'test_error_handling',
    'test_simple_text',
    'test_tool_with_progress',
  ])
  if (era === 'modern') expect(body?.result?.['cacheScope']).toBe('private')
})

test('401 without a token names the metadata, and both forms of it name the authority', async () => {
  const { status, headers } = await say(stage.url, 'tools/list', {}, { era: 'modern' })
  expect(status).toBe(401)
  const named = /resource_metadata="([^"]+)"/.exec(headers.get('www-authenticate') ?? '')?.[1] ?? ''
  expect(named).toBe(`${new URL(stage.url).origin}/.well-known/oauth-protected-resource/mcp`)
  for (const url of [named, new URL('/.well-known/oauth-protected-resource', stage.url).href])
    expect(await (await fetch(url)).json()).toMatchObject({
      resource: stage.url,
      authorization_servers: [world.url],
    })
})

test('what reaches the server behind is the message and no identity of the caller', async () => {
  scripted.calls.length = 0
  const claims = {
    cookie: 'session=theirs',
    origin: 'http://localhost:9999',
    'x-forwarded-for': '10.0.0.1',
    'x-forwarded-user': 'root',
    'remote-user': 'root',
    'x-http-method-override': 'DELETE',
    'accept-encoding': 'gzip',
    baggage: 'user=root',
    'mcp-session-id': 'somebody-elses',
  }
  const kept = {
    'mcp-param-region': 'eu',
    traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`,
    'user-agent': 'by-hand',
  }
  await call({ headers: { ...claims, ...kept } })
  const { headers, rawHeaders } = scripted.calls[0]?.request ?? {}
  expect(headers).toMatchObject({
    ...kept,
    host: new URL(scripted.url).host,
    'accept-encoding': 'identity',
    'mcp-name': 'echo',
  })
  for (const name of [...Object.keys(claims), 'authorization'])
    if (name !== 'accept-encoding') expect(headers).not.toHaveProperty(name)
  expect(JSON.stringify(rawHeaders)).not.toContain(behindScripted.token)
})

test("what reaches the caller is the answer, without the server's cookies and connection headers", async () => {
  scripted.onCall = ({ response, message }) =>
    response
      .writeHead(200, {
        'content-type': 'application/json',
        'set-cookie': 'theirs=1',
        'keep-alive': 'timeout=1',
        'dpop-nonce': 'theirs',
        'x-their-own': 'kept',
      })
      .end(
        JSON.stringify({ jsonrpc: '2.0', id: message.id, result: { resultType: 'complete', content: [] } }),
      )
  const { headers, body } = await call()
  scripted.onCall = ({ reply }) => reply({ content: [] })
  expect(body?.result).toEqual({ resultType: 'complete', content: [] })
  expect(headers.get('set-cookie')).toBeNull()
  expect(headers.get('dpop-nonce')).toBeNull()
  expect(headers.get('x-their-own')).toBe('kept')
})

test("the upstream's credential is added, and another one from the moment it is stored", async () => {
  const store = (value: string) =>
    world.api.servers.setUpstreamCredential({ id: 'scripted', header: 'authorization', value })
  await store('Bearer first')
  scripted.secret = 'Bearer first'
  await expect.poll(async () => (await call()).status).toBe(200)
  scripted.secret = 'Bearer second'
  expect((await call()).status).toBe(502)
  await store('Bearer second')
  await expect.poll(async () => (await call()).status).toBe(200)
  expect(scripted.calls.at(-1)?.request.headers.authorization).toBe('Bearer second')
  scripted.secret = null
  const records = JSON.stringify(await world.calls({ server: 'scripted' }))
  expect(records + behindScripted.log.join()).not.toMatch(/Bearer (first|second)/)
})

test('progress reaches the caller while the call is still under way', async () => {
  const session = await openSession()
  const params = { name: 'test_tool_with_progress', _meta: { progressToken: 'p' } }
  const response = await send(stage.url, 'tools/call', params, { token: stage.token, headers: session })
  expect(response.headers.get('x-accel-buffering')).toBe('no')
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
  let seen = ''
  while (!seen.includes('notifications/progress')) seen += (await reader?.read())?.value ?? ''
  expect(seen).not.toContain('"result"')
  for (let part = await reader?.read(); !part?.done; part = await reader?.read()) seen += part?.value
  expect(seen).toContain('"result"')
})

test("another agent's session does not exist, and a session that was ended does not either", async () => {
  const session = await openSession()
  const analyst = await world.identify('neighbour')
  const foreign = await analyst.token(stage.url)
  const ping = (token: string) => say(stage.url, 'ping', {}, { token, headers: session })
  expect((await ping(stage.token)).status).toBe(200)
  expect((await ping(foreign)).status).toBe(404)
  const end = (token: string) =>
    fetch(stage.url, { method: 'DELETE', headers: { ...session, authorization: `Bearer ${token}` } })
  expect((await end(foreign)).status).toBe(404)
  expect((await ping(stage.token)).status).toBe(200)
  expect((await end(stage.token)).status).toBeLessThan(300)
  expect((await ping(stage.token)).status).toBe(404)
})

test('a stream goes on after an event of its own, and after no event of somebody else', async () => {
  const session = await openSession()
  const answer = await send(
    stage.url,
    'tools/call',
    { name: 'test_simple_text' },
    { token: stage.token, headers: session },
  )
  const [first] = /^id: (.+)$/m.exec((await read(answer)).text)?.slice(1) ?? []
  expect(first).toBeDefined()
  const resume = (lastEventId: string, headers: Record<string, string>, token: string) =>
    fetch(stage.url, {
      headers: {
        accept: 'text/event-stream',
        authorization: `Bearer ${token}`,
        'last-event-id': lastEventId,
        ...headers,
      },
      signal: AbortSignal.timeout(2_000),
    })
  const resumed = await resume(first ?? '', session, stage.token)
  expect(resumed.status).toBe(200)
  const reader = resumed.body?.pipeThrough(new TextDecoderStream()).getReader()
  let seen = ''
  while (!seen.includes('simple text')) seen += (await reader?.read())?.value ?? ''
  await reader?.cancel()
  const other = await openSession()
  expect((await resume(first ?? '', other, stage.token)).status).toBe(404)
  expect((await resume(`${first}0`, session, stage.token)).status).toBe(404)
  const analyst = await (await world.identify('neighbour')).token(stage.url)
  expect((await resume(first ?? '', session, analyst)).status).toBe(404)
})

/** A stream and a call of this token that are under way end when something is taken back, on both sides of the gateway. */
async function expectCut(token: string, takeBack: () => Promise<unknown>): Promise<void> {
  const closed = { stream: Promise.withResolvers<void>(), call: Promise.withResolvers<void>() }
  scripted.calls.length = 0
  scripted.onCall = ({ message, response }) => {
    const isStream = message.params.arguments.stream
    response.once('close', (isStream ? closed.stream : closed.call).resolve)
    if (isStream)
      response
        .writeHead(200, { 'content-type': 'text/event-stream' })
        .write(event({ jsonrpc: '2.0', method: 'notifications/message', params: {} }))
  }
  const begin = (stream: boolean) =>
    send(behindScripted.url, 'tools/call', { name: 'echo', arguments: { stream } }, { token, era: 'modern' })
  const stream = await begin(true)
  const pending = begin(false)
  await expect
    .poll(() => scripted.calls.filter(({ message }) => message.params.arguments?.stream === false).length)
    .toBe(1)
  await takeBack()
  expect(await stream.text()).not.toContain('"result"')
  const answer = await read(await pending)
  expect(answer.status).toBe(401)
  expect(answer.headers.get('www-authenticate')).toContain('invalid_token')
  await closed.stream.promise
  await closed.call.promise
  scripted.onCall = ({ reply }) => reply({ content: [] })
  expect((await call({ token })).status).toBe(401)
}

/** How the calls of an agent that were let through ended. */
async function outcomesOf(agent: string) {
  return (await world.calls({ agent, verdict: 'permit' })).map(({ outcome }) => outcome)
}

async function hire(name: string): Promise<void> {
  await world.api.agents.create({ name, owner: 'maya@northwind.test', ceiling: ['files:*'] })
  await world.api.assignments.create({ principal: name, role: 'support-agent' })
}

test('a revoked agent: its open stream is cut, its pending call answers 401, and nothing more is heard', async () => {
  await hire('short-lived')
  const token = await (await world.identify('short-lived')).token(behindScripted.url)
  await expectCut(token, () =>
    world.api.revocations.create({ kind: 'agent', id: 'short-lived', reason: 'leaked', waitMs: 5_000 }),
  )
  await expect.poll(() => outcomesOf('short-lived')).toEqual(['revoked', 'revoked'])
})

test('a delegation that is taken back ends what a delegate further down has under way', async () => {
  await world.api.delegationRules.put({ from: 'organization', to: 'organization' })
  const place = { ...world, billing: { resource: behindScripted.url } }
  const hands: Hand[] = []
  for (const name of ['first', 'second', 'third']) {
    await hire(name)
    hands.push(await createHand(place, name))
  }
  const { links, answer } = await chainOf(hands, { scope: 'files:read' })
  await expectCut(String(answer['access_token']), () =>
    world.api.revocations.create({ kind: 'delegation', id: links[0] ?? '', waitMs: 5_000 }),
  )
  await expect.poll(() => outcomesOf('third')).toEqual(['revoked', 'revoked'])
})

test('every attempt is on record with how it ended', async () => {
  const session = await openSession()
  await say(
    stage.url,
    'tools/call',
    { name: 'test_error_handling' },
    { token: stage.token, headers: session },
  )
  await expect
    .poll(async () => (await world.calls({ server: 'fixture', tool: 'test_error_handling' }))[0])
    .toMatchObject({ decision: 'permit', outcome: 'tool_error', agentName: 'support-bot' })
})

test('health and metrics answer beside, not on the address that callers use', async () => {
  const { adminUrl, url } = behindScripted.gateway
  const get = async (path: string) => {
    const response = await fetch(`${adminUrl}${path}`)
    return `${response.status} ${await response.text()}`
  }
  expect(await get('/livez')).toBe('200 ok\n')
  expect(await get('/readyz')).toBe('200 ok\n')
  const metrics = await get('/metrics')
  expect(metrics).toMatch(
    /valetkey_decisions_total\{verdict="permit",reason="permitted",server="scripted",mode="enforce"\} \d+/,
  )
  expect(metrics).toMatch(/valetkey_gateway_under_way\{server="scripted"\} 0/)
  expect(metrics).toContain(
    'valetkey_gateway_upstream_faults_total{server="scripted",code="upstream.unreachable"}',
  )
  expect((await fetch(new URL('/metrics', url))).status).toBe(404)
})

function call(options: Parameters<typeof say>[3] = {}) {
  const { url, token } = behindScripted
  return say(url, 'tools/call', { name: ECHO.name }, { token, era: 'modern', ...options })
}

/** Begins a session of the old era and gives the header that names it. */
async function openSession(): Promise<{ 'mcp-session-id': string }> {
  const clientInfo = { name: 'by-hand', version: '1' }
  const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo }
  const { headers } = await say(stage.url, 'initialize', params, { token: stage.token })
  const session = { 'mcp-session-id': headers.get('mcp-session-id') ?? '' }
  const body = JSON.stringify({ jsonrpc: '2.0', method: 'notifications/initialized' })
  const accept = 'application/json, text/event-stream'
  const authorization = `Bearer ${stage.token}`
  const ready = await fetch(stage.url, {
    method: 'POST',
    headers: { ...session, authorization, accept, 'content-type': 'application/json' },
    body,
  })
  expect(ready.status).toBe(202)
  return session
}
