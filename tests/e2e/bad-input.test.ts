import { createHmac, generateKeyPairSync } from 'node:crypto'
import { request as rawRequest } from 'node:http'
import { gzipSync } from 'node:zlib'
import { SignJWT } from 'jose'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { Identity } from './identity.ts'
import { createLibrary, LIBRARY_RULES, type Library } from './library.ts'
import { say } from './say.ts'
import { claimsOf, encode, openTokenSigner, type TokenSigner } from './signed-token.ts'
import { type GuardedServer, startWorld, type World } from './world.ts'

let world: World
let library: Library
let server: GuardedServer
let bot: Identity
let good: string
let key: TokenSigner

const SEARCH = { name: 'search', arguments: { q: 'x' } }

beforeAll(async () => {
  world = await startWorld()
  bot = await world.identify('support-bot')
  library = createLibrary()
  server = await world.serve({ name: 'library', handler: library.handler, rules: LIBRARY_RULES })
  good = await bot.token(server.url)
  key = await openTokenSigner(world)
})
afterEach(() => {
  expect(library.ran.splice(0)).toEqual([])
})
afterAll(async () => {
  await world[Symbol.asyncDispose]()
})

describe('tokens', () => {
  /** A token with the authority's own signature that says something else than the good one. */
  const signed = (change: object, header?: object) => key.change(good, change, header)

  async function byStranger(kid: string): Promise<string> {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    return new SignJWT(claimsOf(good))
      .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid })
      .sign(privateKey)
  }

  async function confused(): Promise<string> {
    const { keys } = (await (await fetch(`${world.url}/jwks`)).json()) as { keys: object[] }
    const text = `${encode({ alg: 'HS256', typ: 'at+jwt', kid: key.kid })}.${encode(claimsOf(good))}`
    const mac = createHmac('sha256', JSON.stringify(keys[0])).update(text).digest('base64url')
    return `${text}.${mac}`
  }

  const now = () => Math.floor(Date.now() / 1000)
  const BAD: Record<string, [() => string | Promise<string>, RegExp]> = {
    'no token at all': [() => '', /not a bearer token/],
    'one word': [() => 'abc', /malformed/],
    'three empty parts': [() => '..', /malformed|not a bearer/],
    'three words': [() => 'a.b.c', /malformed/],
    'no JSON inside': [() => `${encode('x')}.${encode('y')}.c`, /malformed/],
    'quotes and spaces': [() => 'a" b', /not a bearer token/],
    'a signature cut short': [() => good.slice(0, -4), /signature is wrong|malformed/],
    'another claim under the same signature': [
      () => good.replace(/\.[^.]+\./, `.${encode({ ...claimsOf(good), scope: 'invoices:*' })}.`),
      /signature is wrong/,
    ],
    'a key nobody knows': [() => byStranger('somebody'), /no key of the issuer/],
    'a stranger under a known kid': [() => byStranger(key.kid), /signature is wrong/],
    'alg none': [
      () => `${encode({ alg: 'none', typ: 'at+jwt' })}.${encode(claimsOf(good))}.`,
      /algorithm is not allowed|malformed/,
    ],
    'HS256 with the public key as secret': [confused, /algorithm is not allowed/],
    'another audience': [() => bot.token(world.billing.url), /aud is not the expected one/],
    'two audiences': [() => signed({ aud: [server.url, world.billing.url] }), /more than one audience/],
    'another issuer': [() => signed({ iss: 'https://evil.test' }), /iss is not the expected one/],
    expired: [() => signed({ exp: now() - 60 }), /expired/],
    'no expiry': [() => signed({ exp: undefined }), /lacks a claim|exp/],
    'not yet valid': [() => signed({ nbf: now() + 600 }), /nbf/],
    'another type of JWT': [() => signed({}, { typ: 'JWT' }), /typ/],
    'a critical header that nobody knows': [
      () => {
        const header = { alg: 'ES256', typ: 'at+jwt', kid: key.kid, crit: ['exotic'], exotic: 1 }
        const text = `${encode(header)}.${encode(claimsOf(good))}`
        return `${text}.${key.sign(text)}`
      },
      /malformed/,
    ],
    'no organization': [() => signed({ org: undefined }), /lacks a claim/],
    'no agent': [() => signed({ agent: 7 }), /lacks a claim/],
  }

  test.each(Object.keys(BAD))('%s is answered with 401', async name => {
    const [make, reason] = BAD[name] ?? [() => '', /./]
    const { status, headers, body } = await say(server.url, 'tools/call', SEARCH, { token: await make() })
    expect(status).toBe(401)
    expect(headers.get('www-authenticate')).toMatch(
      /^Bearer error="invalid_token", error_description=".+", resource_/,
    )
    expect(body.error.message).toMatch(reason)
    expect(body.error.message).not.toContain(good)
  })

  test('an agent, credential or organization that is not there is 401 or refused', async () => {
    for (const [change, expected] of [
      [{ org: 'org_nowhere' }, { status: 200, text: expect.stringContaining('"reason":"stale"') }],
      [{ agent: 'agt_nobody' }, { status: 401 }],
      [{ cred: 'crd_none' }, { status: 401 }],
    ] as const)
      expect(await say(server.url, 'tools/call', SEARCH, { token: await signed(change) })).toMatchObject(
        expected,
      )
  })

  test('a scope that was never granted is not believed: what the agent holds decides', async () => {
    const token = await signed({ scope: 'invoices:* files:* *' })
    const { body } = await say(server.url, 'tools/call', { name: 'shelve' }, { token })
    expect(body.result.isError).toBe(true)
  })

  test('a token in the address is refused even where the header has a good one', async () => {
    for (const query of [`access_token=${good}`, `x=1&ACCESS_TOKEN=${good}`]) {
      const { status, text } = await say(`${server.url}?${query}`, 'tools/call', SEARCH, { token: good })
      expect(status).toBe(400)
      expect(text).toMatch(/token in the address/)
      expect(text).not.toContain(good)
    }
    const { status } = await say(`${server.url}?access_token=${good}`, 'tools/list')
    expect(status).toBe(400)
  })

  test('another scheme, or two headers, are 401', async () => {
    const basic = await say(server.url, 'tools/list', {}, { headers: { authorization: 'Basic YTpi' } })
    expect(basic.status).toBe(401)
    const twice = [`Bearer ${good}`, `Bearer ${good}`]
    const body = '{"jsonrpc":"2.0","id":1,"method":"tools/list"}'
    expect((await post(body, { 'content-type': 'application/json', authorization: twice })).status).toBe(401)
  })
})

describe('bodies', () => {
  const call = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: SEARCH })
  const JSON_TYPE = { 'content-type': 'application/json' }
  const BAD: Record<
    string,
    [body: string | Buffer, headers: Record<string, string>, status: number, says: RegExp]
  > = {
    nothing: ['', {}, 400, /not JSON/],
    'no JSON': ['{"jsonrpc"', {}, 400, /not JSON/],
    'a number': ['7', {}, 400, /not a JSON-RPC message/],
    null: ['null', {}, 400, /not a JSON-RPC message/],
    'an empty object': ['{}', {}, 400, /not JSON-RPC 2\.0/],
    'JSON-RPC 1.0': [call.replace('2.0', '1.0'), {}, 400, /not JSON-RPC 2\.0/],
    'no method': ['{"jsonrpc":"2.0","id":1}', {}, 400, /no method/],
    'a method that is no text': ['{"jsonrpc":"2.0","id":1,"method":{}}', {}, 400, /no method/],
    'parameters in a list': [
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":["search"]}',
      {},
      400,
      /an object/,
    ],
    'a batch': [`[${call}]`, {}, 400, /Batches/],
    'an empty batch': ['[]', {}, 400, /Batches/],
    'a method named twice': [call.replace('{', '{"method":"ping",'), {}, 400, /twice/],
    'a tool named twice': [call.replace('"search"', '"burn","name":"search"'), {}, 400, /twice/],
    'a tool named twice, once in escapes': [
      call.replace('"search"', '"burn","n\\u0061me":"search"'),
      {},
      400,
      /twice/,
    ],
    'an argument named twice': [call.replace('"q":"x"', '"q":"x","q":"y"'), {}, 400, /twice/],
    'nesting of 100 levels': [
      call.replace('"x"', '['.repeat(100) + ']'.repeat(100)),
      {},
      400,
      /nested deeper/,
    ],
    'nesting of 100,000 levels': [
      call.replace('"x"', '['.repeat(1e5) + ']'.repeat(1e5)),
      {},
      400,
      /nested deeper|not JSON/,
    ],
    'two megabytes': [call.replace('"x"', `"${'x'.repeat(2 << 20)}"`), {}, 413, /longer than/],
    'bytes that are not UTF-8': [
      Buffer.from([...Buffer.from(call).subarray(0, -3), 0xff, 0xfe]),
      {},
      415,
      /not UTF-8/,
    ],
    'UTF-16': [
      Buffer.from(call, 'utf16le'),
      { 'content-type': 'application/json; charset=utf-16' },
      415,
      /UTF-8/,
    ],
    'a foreign charset': [call, { 'content-type': 'application/json; charset="latin1"' }, 415, /UTF-8/],
    gzip: [gzipSync(call), { 'content-encoding': 'gzip' }, 415, /encoded body|not UTF-8/],
    'gzip in name only': [call, { 'content-encoding': 'gzip' }, 415, /encoded body/],
    'plain text': [call, { 'content-type': 'text/plain' }, 415, /application\/json/],
    'a form': [call, { 'content-type': 'application/x-www-form-urlencoded' }, 415, /application\/json/],
    'a type that only begins right': [
      call,
      { 'content-type': 'application/json-patch+json' },
      415,
      /application\/json/,
    ],
  }

  test.each(Object.keys(BAD))('%s', async name => {
    const [body, headers, status, says] = BAD[name] ?? ['', {}, 0, /./]
    const reply = await post(body, { ...JSON_TYPE, authorization: `Bearer ${good}`, ...headers })
    expect(reply.status).toBe(status)
    expect(reply.body.error.message).toMatch(says)
    expect(reply.body).not.toHaveProperty('result')
  })

  test('members of the prototype are members like others', async () => {
    const body =
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"search","arguments":{"q":"y","__proto__":{"admin":true}}}}'
    const reply = await post(body, { ...JSON_TYPE, authorization: `Bearer ${good}` })
    expect(reply.body.result).toMatchObject({ isError: true })
  })

  test('other methods of HTTP are 405', async () => {
    for (const method of ['PUT', 'PATCH', 'OPTIONS', 'HEAD'])
      expect((await fetch(server.url, { method })).status).toBe(405)
  })
})

describe('headers that do not say what the body says', () => {
  const modern = { token: '', era: 'modern' as const }
  test.each([
    [{ 'mcp-method': 'tools/list' }, 'Mcp-Method'],
    [{ 'mcp-name': 'shelve' }, 'Mcp-Name'],
    [{ 'mcp-name': '' }, 'Mcp-Name'],
    [{ 'mcp-name': 'Search' }, 'Mcp-Name'],
    [{ 'mcp-name': `=?base64?${Buffer.from('shelve').toString('base64')}?=` }, 'Mcp-Name'],
    [{ 'mcp-protocol-version': '2025-11-25' }, 'MCP-Protocol-Version'],
  ])('%j with a body of 2026-07-28', async (headers, which) => {
    const { status, body } = await say(server.url, 'tools/call', SEARCH, { ...modern, token: good, headers })
    expect(status).toBe(400)
    expect(body.error).toMatchObject({ code: -32020, message: expect.stringContaining(which) })
  })

  test.each([{ 'mcp-method': 'tools/list' }, { 'mcp-name': 'shelve' }])(
    '%j in the older era',
    async headers => {
      const { status, body } = await say(server.url, 'tools/call', SEARCH, { token: good, headers })
      expect(status).toBe(400)
      expect(body.error.code).toBe(-32020)
    },
  )
})

/** Sends bytes as they are. */
function post(
  body: string | Buffer,
  headers: Record<string, string | string[]>,
  // biome-ignore lint/suspicious/noExplicitAny: a test says what it expects, and fails where it is not so
): Promise<{ status: number; body: any }> {
  return new Promise((resolve, reject) => {
    const sent = rawRequest(server.url, { method: 'POST', headers })
    sent.once('error', reject).once('response', response => {
      let text = ''
      response.setEncoding('utf8').on('data', chunk => {
        text += chunk
      })
      response.once('end', () => {
        resolve({ status: response.statusCode ?? 0, body: text === '' ? null : JSON.parse(text) })
      })
    })
    sent.end(body)
  })
}
