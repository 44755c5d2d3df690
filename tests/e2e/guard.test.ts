import { request as rawRequest } from 'node:http'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { bySecret } from './clients/sdk-v2.ts'
import type { Identity } from './identity.ts'
import { createLibrary, LIBRARY_RULES, type Library } from './library.ts'
import { say, send } from './say.ts'
import { type GuardedServer, startWorld, type World } from './world.ts'

let world: World
let library: Library
let server: GuardedServer
let bot: Identity
let analyst: Identity
let token: string

beforeAll(async () => {
  world = await startWorld()
  bot = await world.identify('support-bot')
  analyst = await world.identify('billing-analyst')
  library = createLibrary()
  server = await world.serve({ name: 'library', handler: library.handler, rules: LIBRARY_RULES })
  token = await bot.token(server.url)
})
afterAll(async () => {
  await world[Symbol.asyncDispose]()
})

const ERAS = ['legacy', 'modern'] as const
const names = (list: unknown) => (list as { name: string }[]).map(({ name }) => name)

describe('challenges', () => {
  test('401 without a token names the metadata and what to ask for', async () => {
    const { status, headers, body } = await say(server.url, 'tools/list')
    expect(status).toBe(401)
    const metadata = `${new URL(server.url).origin}/.well-known/oauth-protected-resource/mcp`
    expect(headers.get('www-authenticate')).toBe(
      `Bearer resource_metadata="${metadata}", scope="invoices:read invoices:refund", DPoP algs="ES256 EdDSA Ed25519"`,
    )
    expect(body.error.message).toBe('No token.')
    const document = await (await fetch(metadata)).json()
    expect(document).toEqual({
      resource: server.url,
      authorization_servers: [world.url],
      scopes_supported: ['invoices:read', 'invoices:refund'],
      bearer_methods_supported: ['header'],
      dpop_signing_alg_values_supported: ['ES256', 'EdDSA', 'Ed25519'],
      resource_name: 'library',
    })
    const atRoot = await fetch(new URL('/.well-known/oauth-protected-resource', server.url))
    expect(await atRoot.json()).toEqual(document)
  })

  test('behind a proxy the metadata names the public URL, whatever Host says', async () => {
    const publicUrl = 'https://library.northwind.test/tools/mcp'
    const handler = createLibrary().handler
    const proxied = await world.serve({ name: 'proxied', handler, publicUrl, rules: LIBRARY_RULES })
    const { origin } = new URL(proxied.url)
    const asked = await ask(`${origin}/tools/mcp`, { host: 'evil.test', 'x-forwarded-host': 'evil.test' })
    expect(asked.status).toBe(401)
    expect(asked.challenge).toContain(
      'resource_metadata="https://library.northwind.test/.well-known/oauth-protected-resource/tools/mcp"',
    )
    const path = '/.well-known/oauth-protected-resource/tools/mcp'
    expect(await (await fetch(origin + path)).json()).toMatchObject({ resource: publicUrl })
    const forIt = await bot.token(publicUrl)
    const { body } = await say(`${origin}/tools/mcp`, 'tools/call', search('x'), { token: forIt })
    expect(body.result.content[0].text).toBe('found x')
  })

  test('403 names what the token has and what is missing, where asking for it helps', async () => {
    const narrow = await analyst.token(server.url, 'invoices:read')
    const { status, headers, body } = await say(
      server.url,
      'tools/call',
      { name: 'shelve' },
      { token: narrow },
    )
    expect(status).toBe(403)
    expect(headers.get('www-authenticate')).toMatch(
      /^Bearer error="insufficient_scope", error_description="Denied: .*", resource_metadata="http.*", scope="invoices:read invoices:refund"$/,
    )
    expect(body.error.data).toMatchObject({ reason: 'scope_missing', retryable: false })
  })

  test('no 403 where asking does not help: the agent has no role for it', async () => {
    const narrow = await bot.token(server.url, 'invoices:read')
    const { status, body } = await say(server.url, 'tools/call', { name: 'shelve' }, { token: narrow })
    expect(status).toBe(200)
    expect(body.result.isError).toBe(true)
  })

  test('SDK v2 steps up by itself when a rule asks for more than its token has', async () => {
    const { search, shelve } = LIBRARY_RULES
    const own = createLibrary()
    const stepped = await world.serve({
      name: 'stepped',
      handler: own.handler,
      rules: { search, shelve: { ...shelve, needs: 'invoices:read' } } as typeof LIBRARY_RULES,
    })
    const authProvider = bySecret({ issuer: world.url, identity: analyst })
    const client = new Client({ name: 'stepper', version: '1' })
    await client.connect(new StreamableHTTPClientTransport(new URL(stepped.url), { authProvider }))
    expect(authProvider.tokens()?.scope).toBe('invoices:read')
    const { items } = await world.api.tools.list({ server: 'stepped' })
    const { id, server: _, drift, ...rule } = items.find(({ name }) => name === 'shelve') as (typeof items)[0]
    await world.api.tools.map({ ...rule, server: 'stepped', permission: 'invoices:refund' })
    const scopes = () =>
      client.callTool({ name: 'shelve', arguments: {} }).then(() => authProvider.tokens()?.scope)
    await expect.poll(scopes).toBe('invoices:read invoices:refund')
    await client.close()
  })
})

describe('lists', () => {
  test.each(ERAS)('show what the caller could use: %s', async era => {
    const list = async (method: string) => (await say(server.url, method, {}, { token, era })).body.result
    expect(names((await list('tools/list')).tools)).toEqual(['search', 'wait'])
    expect(names((await list('resources/list')).resources)).toEqual(['handbook'])
    expect(names((await list('resources/templates/list')).resourceTemplates)).toEqual(['page'])
    expect(names((await list('prompts/list')).prompts)).toEqual(['summarise'])
  })

  test('two callers see two lists', async () => {
    const other = await analyst.token(server.url)
    const { body } = await say(server.url, 'tools/list', {}, { token: other })
    expect(names(body.result.tools)).toEqual(['search', 'wait', 'shelve'])
  })

  test('a filtered list is kept by no shared cache, and no longer than the token lives', async () => {
    const { body } = await say(server.url, 'tools/list', {}, { token, era: 'modern' })
    expect(body.result.cacheScope).toBe('private')
    expect(body.result.ttlMs).toBeGreaterThanOrEqual(0)
    expect(body.result.ttlMs).toBeLessThanOrEqual(15 * 60_000)
  })
})

describe('what is not a tool', () => {
  test.each([
    ['resources/read', { uri: 'library://handbook' }, 'the text of library://handbook'],
    ['resources/read', { uri: 'library://page/two' }, 'the text of library://page/two'],
    ['prompts/get', { name: 'summarise', arguments: { topic: 'refunds' } }, 'summarise refunds'],
    ['completion/complete', completing('summarise', 'ref'), 'refunds'],
    ['completion/complete', completingPage('library://page/{name}'), 'one'],
  ])('%s passes where a rule permits it', async (method, params, expected) => {
    for (const era of ERAS) {
      const { status, text } = await say(server.url, method, params, { token, era })
      expect(status).toBe(200)
      expect(text).toContain(expected)
    }
  })

  test.each([
    ['resources/read', { uri: 'library://secrets' }, { legacy: -32002, modern: -32602 }],
    ['resources/read', { uri: 'library://page/../secrets' }, { legacy: -32002, modern: -32602 }],
    ['resources/subscribe', { uri: 'library://secrets' }, { legacy: -32002, modern: -32601 }],
    ['prompts/get', { name: 'gossip', arguments: { topic: 'x' } }, { legacy: -32602, modern: -32602 }],
    ['completion/complete', completing('gossip', 'ref'), { legacy: -32602, modern: -32602 }],
    ['completion/complete', completingPage('library://archive/{name}'), { legacy: -32002, modern: -32602 }],
    ['completion/complete', {}, { legacy: -32002, modern: -32602 }],
    ['logging/setLevel', { level: 'debug' }, { legacy: -32601, modern: -32601 }],
    ['tasks/list', {}, { legacy: -32601, modern: -32601 }],
    ['library/own', { anything: 1 }, { legacy: -32601, modern: -32601 }],
    ['notifications/cancelled', { requestId: 1 }, { legacy: -32601, modern: -32601 }],
    ['subscriptions/listen', { notifications: { taskIds: ['t'] } }, { legacy: -32601, modern: -32601 }],
    ['subscriptions/listen', { notifications: { more: true } }, { legacy: -32601, modern: -32601 }],
    ['tools/CALL', { name: 'search' }, { legacy: -32601, modern: -32601 }],
    ['', {}, { legacy: -32601, modern: -32601 }],
  ])('%s %j is refused where no rule names it', async (method, params, codes) => {
    for (const era of ERAS) {
      const { status, body } = await say(server.url, method, params, { token, era })
      expect(status).toBe(era === 'modern' && codes.modern === -32601 ? 404 : 200)
      expect(body.error.code).toBe(codes[era])
      expect(body.error.data.reason).toBe('tool_unmapped')
      const [call] = await world.calls({ server: 'library', reason: 'tool_unmapped' })
      expect(call).toBeDefined()
    }
  })

  test('a method passes once a rule names it, and a task is only its owner’s', async () => {
    for (const name of ['tasks/get', 'logging/setLevel'])
      await world.api.tools.map({
        server: 'library',
        kind: 'method',
        name,
        permission: 'invoices:read',
        risk: 'read',
      })
    const level = () => say(server.url, 'logging/setLevel', { level: 'debug' }, { token })
    // The library does not log: the answer is now its own.
    await expect.poll(async () => (await level()).body.error?.data).toBeUndefined()
    const { body } = await say(server.url, 'tasks/get', { taskId: 'somebody-elses' }, { token })
    expect(body.error).toMatchObject({ code: -32602, message: 'Unknown task: somebody-elses' })
    const listen = { notifications: { taskIds: ['somebody-elses'] } }
    const heard = await say(server.url, 'subscriptions/listen', listen, { token, era: 'modern' })
    expect(heard.body.error).toMatchObject({ code: -32602, message: 'Unknown task: somebody-elses' })
  })

  test('listening passes for changes of lists, and needs a rule for a resource', async () => {
    const cut = new AbortController()
    const open = (notifications: object) =>
      send(
        server.url,
        'subscriptions/listen',
        { notifications },
        { token, era: 'modern', signal: cut.signal },
      )
    const lists = await open({ toolsListChanged: true })
    expect(lists.headers.get('content-type')).toContain('text/event-stream')
    const allowed = await open({ resourceSubscriptions: ['library://handbook'] })
    expect(allowed.headers.get('content-type')).toContain('text/event-stream')
    const mixed = await open({ resourceSubscriptions: ['library://handbook', 'library://secrets'] })
    expect(await mixed.json()).toMatchObject({ error: { code: -32602 } })
    const events = allowed.body?.pipeThrough(new TextDecoderStream()).getReader()
    await events?.read()
    library.notify.resourceUpdated('library://handbook')
    expect((await events?.read())?.value).toContain('library://handbook')
    cut.abort()
    const attempts = async () => {
      const calls = await world.calls({ server: 'library', limit: 20 })
      return calls.filter(({ method }) => method === 'subscriptions/listen').map(call => call.decision)
    }
    await expect.poll(attempts).toEqual(expect.arrayContaining(['deny', 'permit', 'permit']))
  })

  test('housekeeping passes without a rule', async () => {
    const init = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'x', version: '1' } }
    expect((await say(server.url, 'initialize', init, { token })).body.result.serverInfo.name).toBe('library')
    expect((await say(server.url, 'ping', {}, { token })).body.result).toEqual({})
    expect((await say(server.url, 'server/discover', {}, { token, era: 'modern' })).status).toBe(200)
  })
})

describe('DNS rebinding', () => {
  test.each([
    [{ origin: 'https://evil.test' }, 403],
    [{ origin: 'null' }, 403],
    [{ host: 'evil.test' }, 403],
    [{ host: '127.0.0.1.evil.test' }, 403],
    [{ origin: 'http://localhost:9999' }, 401],
    [{ host: 'localhost:9999' }, 401],
  ])('%j gets %i', async (headers, status) => {
    expect((await ask(server.url, headers)).status).toBe(status)
  })

  test('an origin that was allowed may call', async () => {
    const allowedOrigins = ['https://inspector.test']
    const open = await world.serve({
      name: 'open',
      handler: createLibrary().handler,
      guard: { allowedOrigins },
    })
    expect((await ask(open.url, { origin: 'https://inspector.test' })).status).toBe(401)
  })
})

describe('every attempt is on record', () => {
  test('also where the SDK answers before any tool code runs', async () => {
    const attempts = async (reason: string) =>
      (await world.calls({ server: 'library', reason })).map(({ tool }) => tool)
    const invalid = await say(server.url, 'tools/call', { name: 'search', arguments: { q: 7 } }, { token })
    expect(invalid.body.result).toMatchObject({ isError: true })
    expect(invalid.body.result.content[0].text).toMatch(
      /do not match the approved schema .* Retry only with other/,
    )
    const extra = { name: 'search', arguments: { q: 'x', also: 'this' } }
    expect((await say(server.url, 'tools/call', extra, { token })).body.result.isError).toBe(true)
    await expect.poll(() => attempts('arguments_invalid')).toEqual(['search', 'search'])
    const unknown = await say(server.url, 'tools/call', { name: 'nothing' }, { token })
    expect(unknown.body.error).toMatchObject({ code: -32602, message: 'Unknown tool: nothing' })
    await expect.poll(() => attempts('tool_unmapped')).toContain('nothing')
    expect(library.ran.filter(line => line === 'search 7')).toEqual([])
  })

  test('with who, for whom, by which assignment, on which arguments, and how it ended', async () => {
    const trace = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
    await say(server.url, 'tools/call', search('who'), { token, headers: { traceparent: trace } })
    const find = async () =>
      (await world.calls({ server: 'library', verdict: 'permit' })).find(call => call.trace === trace)
    await expect.poll(async () => (await find())?.outcome).toBe('ok')
    expect(await find()).toMatchObject({
      agentName: 'support-bot',
      tool: 'search',
      kind: 'tool',
      method: 'tools/call',
      arguments: { q: 'who' },
      permission: 'invoices:read',
      mode: 'enforce',
      enforced: true,
      reason: 'permitted',
      credential: bot.secret.credential,
      legs: 'state+ tool+ arguments+ scope+ resource+ chain+ agent+ person+ condition+',
      assignments: [{ role: 'support-agent' }],
      definition: expect.stringMatching(/^sha256-/),
    })
  })

  test('whatever callers name their arguments, which no parser need read as it was written', async () => {
    // V8 that has read the first of a pair may read the second as the first. On record they stand in another order than here,
    // so that guard and authority do not mistake the same ones.
    const named = ['\\', '\n', 'a\\', 'a\n', '\\', '"', '__proto__']
    for (const name of named) {
      const args = { [name]: '', '': '' }
      const { body } = await say(server.url, 'tools/call', { name: 'search', arguments: args }, { token })
      expect(body.result.isError).toBe(true)
    }
    const trace = '00-1bf7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
    await say(server.url, 'tools/call', search('after'), { token, headers: { traceparent: trace } })
    const recorded = async () =>
      (await world.calls({ server: 'library', limit: named.length + 1 })).toReversed()
    await expect.poll(async () => (await recorded()).at(-1)?.trace).toBe(trace)
    expect((await recorded()).slice(0, -1).map(({ reason }) => reason)).toEqual(
      named.map(() => 'arguments_invalid'),
    )
  })

  test('however long a name is that a caller makes up, of whatever it asks for', async () => {
    const long = '\\"'.repeat(250_000)
    const asked: [status: number, method: string, params: Record<string, unknown>][] = [
      [400, 'tools/call', { name: long }],
      [400, 'resources/read', { uri: long }],
      [400, long, {}],
      [200, 'tools/call', { name: 'search', arguments: { [long]: 1 } }],
    ]
    for (const [expected, method, params] of asked) {
      const { status, text } = await say(server.url, method, params, { token })
      expect(status).toBe(expected)
      expect(text.length).toBeLessThan(2_000)
    }
    const [refused] = await world.calls({ server: 'library', reason: 'arguments_invalid', limit: 1 })
    expect(JSON.stringify(refused).length).toBeLessThan(4_000)
    const trace = '00-2bf7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
    await say(server.url, 'tools/call', search('after'), { token, headers: { traceparent: trace } })
    const newest = async () => (await world.calls({ server: 'library', limit: 1 }))[0]
    await expect.poll(async () => (await newest())?.trace).toBe(trace)
  })

  test('a suspended agent is heard in nothing, and its attempt is on record', async () => {
    await world.api.agents.create({ name: 'intern', owner: 'maya@northwind.test', ceiling: ['invoices:*'] })
    await world.api.assignments.create({ principal: 'intern', role: 'support-agent' })
    const intern = await world.identify('intern')
    const its = await intern.token(server.url)
    const call = () => say(server.url, 'tools/call', search('intern'), { token: its })
    expect((await call()).body.result.isError).toBeUndefined()
    await world.api.agents.suspend({ id: 'intern', reason: 'test' })
    await expect.poll(async () => JSON.stringify((await call()).body)).toMatch(/agent intern is suspended/)
    expect((await say(server.url, 'tools/list', {}, { token: its })).body.error.data.reason).toBe('suspended')
    const recorded = await world.calls({ server: 'library', reason: 'suspended' })
    expect(recorded[0]).toMatchObject({ agentName: 'intern', tool: 'search', legs: 'state-' })
    await world.api.agents.resume({ id: 'intern', reason: 'test' })
    await expect.poll(async () => (await call()).body.result?.content[0].text).toBe('found intern')
  })
})

describe('audit mode', () => {
  test('what would be refused passes and is recorded as such, and nothing is hidden', async () => {
    const own = createLibrary()
    const watched = await world.serve({
      name: 'watched',
      handler: own.handler,
      rules: LIBRARY_RULES,
      mode: 'audit',
    })
    const its = await bot.token(watched.url)
    const { body } = await say(watched.url, 'tools/list', {}, { token: its })
    expect(names(body.result.tools)).toEqual(['search', 'wait', 'shelve', 'burn'])
    const burnt = await say(watched.url, 'tools/call', { name: 'burn', arguments: {} }, { token: its })
    expect(burnt.body.result.content[0].text).toBe('burnt')
    const [call] = await world.calls({ server: 'watched', tool: 'burn' })
    expect(call).toMatchObject({ decision: 'deny', reason: 'tool_unmapped', enforced: false, mode: 'audit' })
    expect((await say(watched.url, 'tools/call', { name: 'burn' })).status).toBe(401)
  })
})

function search(q: string) {
  return { name: 'search', arguments: { q } }
}

function completing(name: string, value: string) {
  return { ref: { type: 'ref/prompt', name }, argument: { name: 'topic', value } }
}

function completingPage(uri: string) {
  return { ref: { type: 'ref/resource', uri }, argument: { name: 'name', value: 'o' } }
}

/** `fetch` chooses Host and Origin itself; this does not. */
function ask(url: string, headers: Record<string, string>): Promise<{ status: number; challenge: string }> {
  return new Promise((resolve, reject) => {
    const sent = rawRequest(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
    })
    sent.once('error', reject).once('response', response => {
      response.resume()
      resolve({ status: response.statusCode ?? 0, challenge: response.headers['www-authenticate'] ?? '' })
    })
    sent.end('{"jsonrpc":"2.0","id":1,"method":"tools/list"}')
  })
}
