import { once } from 'node:events'
import { request } from 'node:http'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type GatewayStage, startGatewayStage } from './gateway-stage.ts'
import { say, send } from './say.ts'
import { ECHO, type ScriptedUpstream, startScriptedUpstream } from './scripted-upstream.ts'
import { startWorld, type World } from './world.ts'

let world: World
let upstream: ScriptedUpstream
let stage: GatewayStage

const MOST_BYTES = 64 * 1024
const META = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientCapabilities': {},
}

beforeAll(async () => {
  world = await startWorld()
  upstream = await startScriptedUpstream()
  upstream.tools = [ECHO, { ...ECHO, name: 'other' }]
  stage = await startGatewayStage(world, {
    name: 'scripted',
    upstream: upstream.url,
    rules: { echo: { needs: 'files:read' }, other: { needs: 'files:read' } },
    gateway: { maxBodyBytes: MOST_BYTES, maxExchanges: 8 },
  })
})

afterAll(async () => {
  await stage[Symbol.asyncDispose]()
  await upstream[Symbol.asyncDispose]()
  await world[Symbol.asyncDispose]()
})

interface Answered {
  status: number
  body: string
}

/** Sends bytes as they are; Node itself, so that Host and Origin can lie. */
async function post(
  body: string | Buffer,
  headers: Record<string, string> = {},
  url = stage.url,
): Promise<Answered> {
  const outgoing = request(url, {
    method: 'POST',
    agent: false,
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      authorization: `Bearer ${stage.token}`,
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': 'tools/call',
      'mcp-name': 'echo',
      ...headers,
    },
  })
  const [response] = await once(outgoing.end(body), 'response')
  return { status: response.statusCode, body: await text(response) }
}

const CALL = { jsonrpc: '2.0', id: 7, method: 'tools/call', params: { name: 'echo', _meta: META } }
const written = JSON.stringify(CALL)

test('a call by hand passes: what is refused below is refused for what is wrong with it', async () => {
  expect((await post(written)).status).toBe(200)
  expect(upstream.calls.length).toBe(1)
  upstream.calls.length = 0
})

test.each<[string, number, number | null, string | Buffer, Record<string, string>?]>([
  ['a batch', 400, -32600, `[${written}]`],
  ['a member that is named twice', 400, -32600, written.replace('"params":{', '"params":{"name":"other",')],
  [
    'a member named twice in two spellings',
    400,
    -32600,
    written.replace('"params":{', '"params":{"n\\u0061me":"other",'),
  ],
  ['a member in other letters', 400, -32600, written.replace('"params":{', '"Params":{},"params":{')],
  ['arguments in other letters', 400, -32602, written.replace('"params":{', '"params":{"Arguments":{},')],
  ['a number beyond all', 400, -32600, written.replace('"id":7', '"id":1e999')],
  ['a Mcp-Name that lies', 400, -32020, written, { 'mcp-name': 'other' }],
  ['a Mcp-Method that lies', 400, -32020, written, { 'mcp-method': 'ping' }],
  ['a version header that lies', 400, -32020, written, { 'mcp-protocol-version': '2025-11-25' }],
  ['two Mcp-Names in one', 400, -32020, written, { 'mcp-name': 'echo, other' }],
  [
    'a body in UTF-16',
    415,
    4030,
    Buffer.from(written, 'utf16le'),
    { 'content-type': 'application/json; charset=utf-16' },
  ],
  ['a body that is not the UTF-8 it claims to be', 415, 4030, Buffer.from('{"a":"\xff"}', 'latin1')],
  ['a body that is packed', 415, 4030, gzipSync(written), { 'content-encoding': 'gzip' }],
  ['a form', 415, 4030, 'a=b', { 'content-type': 'application/x-www-form-urlencoded' }],
  ['a body that is too long', 413, 4030, JSON.stringify({ ...CALL, pad: 'x'.repeat(MOST_BYTES) })],
  [
    'JSON that is nested too deep',
    400,
    -32600,
    written.replace('"echo"', `"echo","deep":${'['.repeat(5_000)}${']'.repeat(5_000)}`),
  ],
  ['something that is not JSON', 400, -32700, '{"jsonrpc":'],
  ['a text after the message', 400, -32700, `${written}{}`],
  ['no body', 400, -32700, ''],
  ['a message without a version', 400, -32600, JSON.stringify({ id: 1, method: 'tools/call' })],
  ['parameters in a list', 400, -32602, JSON.stringify({ ...CALL, params: ['echo'] })],
  ['an origin that is not ours', 403, 4030, written, { origin: 'http://evil.test' }],
  ['a host that is not ours', 403, 4030, written, { host: 'evil.test' }],
  ['no token', 401, 4030, written, { authorization: '' }],
  ['a token that is none', 401, 4030, written, { authorization: 'Bearer a.b.c' }],
])('%s is refused with %i', async (_, status, code, body, headers) => {
  const answer = await post(body, headers)
  expect({ status: answer.status, code: JSON.parse(answer.body).error.code }).toEqual({ status, code })
  expect(upstream.calls).toEqual([])
})

test('a token in the address is refused, and so is every other query', async () => {
  for (const query of [`access_token=${stage.token}`, 'profile=admin']) {
    const answer = await post(written, { authorization: '' }, `${stage.url}?${query}`)
    expect(answer.status).toBe(400)
    expect(answer.body).not.toContain(stage.token)
  }
  expect(upstream.calls).toEqual([])
})

test('a header of the old era that lies is refused too', async () => {
  const message = JSON.stringify({ ...CALL, params: { name: 'echo' } })
  const legacy = { 'mcp-protocol-version': '2025-11-25' }
  expect((await post(message, { ...legacy, 'mcp-name': 'other' })).status).toBe(400)
  expect((await post(message, { ...legacy, 'mcp-method': 'ping' })).status).toBe(400)
  expect((await post(message, legacy)).status).toBe(200)
  upstream.calls.length = 0
})

test('what the server behind gets is the one message that was decided, written anew', async () => {
  const spaced = `\n\t${JSON.stringify(CALL, null, 4).replace('"echo"', '"\\u0065cho"')}\n`
  expect((await post(spaced)).status).toBe(200)
  expect(upstream.calls[0]?.request.headers['content-length']).toBe(String(Buffer.byteLength(written)))
  upstream.calls.length = 0
})

test('another address is not there, other HTTP methods are not allowed', async () => {
  const authorization = `Bearer ${stage.token}`
  for (const path of ['/', '/mcp/', '/mcp/../admin', '/metrics'])
    expect((await fetch(new URL(path, stage.url), { headers: { authorization } })).status).toBe(404)
  for (const method of ['PUT', 'PATCH', 'HEAD', 'OPTIONS'])
    expect((await fetch(stage.url, { method, headers: { authorization } })).status).toBe(405)
  expect(upstream.calls).toEqual([])
})

test('bytes that are not HTTP end with 400, a head that is too long with 431', async () => {
  expect(await speak('hello\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 /)
  expect(await speak(`GET /mcp HTTP/1.1\r\nhost: localhost\r\nx: ${'x'.repeat(40_000)}\r\n\r\n`)).toMatch(
    /^HTTP\/1\.1 431 /,
  )
  expect(
    await speak(
      'POST /mcp HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
    ),
  ).toMatch(/^HTTP\/1\.1 400 /)
})

async function speak(bytes: string): Promise<string> {
  const { hostname, port } = new URL(stage.url)
  const socket = connect(Number(port), hostname)
  socket.write(bytes)
  return text(socket)
}

test('503 with a time to come back, once more calls are under way than are taken', async () => {
  const arrived = Promise.withResolvers<void>()
  upstream.onCall = () => {
    if (upstream.calls.length === 8) arrived.resolve()
  }
  const leaving = new AbortController()
  const options = { token: stage.token, era: 'modern', signal: leaving.signal } as const
  const waiting = Array.from({ length: 8 }, () =>
    send(stage.url, 'tools/call', { name: 'echo' }, options).catch(() => undefined),
  )
  await arrived.promise
  const turnedAway = await say(stage.url, 'ping', {}, { token: stage.token, era: 'modern' })
  expect(turnedAway.status).toBe(503)
  expect(turnedAway.headers.get('retry-after')).toBe('1')
  expect(stage.gateway.metrics()).toContain('valetkey_gateway_turned_away_total{server="scripted"} 1')
  leaving.abort()
  await Promise.all(waiting)
  upstream.onCall = ({ reply }) => reply({ content: [] })
  const served = () => say(stage.url, 'tools/call', { name: 'echo' }, { token: stage.token, era: 'modern' })
  await expect.poll(async () => (await served()).status).toBe(200)
})
