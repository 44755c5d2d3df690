import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { toNodeHandler } from '@modelcontextprotocol/node'
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport as TransportV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { type Agent, describeServer, enrollAgent, Halted, openAgent, openKeyStore } from '@valetkey/sdk/agent'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type GatewayStage, startGatewayStage } from './gateway-stage.ts'
import { createLibrary, LIBRARY_RULES, type Library } from './library.ts'
import { type GuardedServer, startWorld, type World } from './world.ts'

const SEARCH = { name: 'search', arguments: { q: 'x' } }

let world: World
let library: Library
let guarded: GuardedServer
let upstream: Server
let strict: GatewayStage
/** What left the agent, in order: the path, and how the token was shown. */
const sent: { path: string; scheme: string }[] = []

beforeAll(async () => {
  world = await startWorld()
  library = createLibrary()
  guarded = await world.serve({ name: 'guarded', rules: LIBRARY_RULES, handler: library.handler })
  const serve = toNodeHandler({
    fetch: request => Promise.resolve(library.handler(request, {} as never)),
  })
  upstream = createServer((request, response) => void serve(request as never, response))
  await new Promise<void>(resolve => void upstream.listen(0, '127.0.0.1', resolve))
  strict = await startGatewayStage(world, {
    ...{ name: 'strict', rules: LIBRARY_RULES, gateway: { proofs: { nonces: true } } },
    upstream: `http://127.0.0.1:${(upstream.address() as AddressInfo).port}/mcp`,
  })
})
afterAll(async () => {
  await strict[Symbol.asyncDispose]()
  upstream.closeAllConnections()
  await new Promise(resolve => upstream.close(resolve))
  await world[Symbol.asyncDispose]()
})

const watched: typeof fetch = (input, init) => {
  const scheme = new Headers(init?.headers).get('authorization')?.split(' ')[0] ?? ''
  sent.push({ path: new URL(String(input)).pathname, scheme })
  return fetch(input, init)
}

/** An agent as it comes back after a restart. */
async function open(name: string): Promise<Agent> {
  const store = await openKeyStore({ directory: join(world.directory, 'agents') })
  await enrollAgent(world.api, { issuer: world.url, agent: name, store })
  return openAgent(name, { store, fetch: watched })
}

const CONNECT = {
  'SDK v2, modern': async (url: string, options: object) => {
    const client = new Client({ name: 'agent', version: '1' }, { versionNegotiation: { mode: 'auto' } })
    await client.connect(new StreamableHTTPClientTransport(new URL(url), options))
    return client
  },
  'SDK v2, legacy': async (url: string, options: object) => {
    const client = new Client({ name: 'agent', version: '1' })
    await client.connect(new StreamableHTTPClientTransport(new URL(url), options))
    return client
  },
  'SDK v1': async (url: string, options: object) => {
    const client = new ClientV1({ name: 'agent', version: '1' })
    await client.connect(new TransportV1(new URL(url), options) as never)
    return client
  },
}

describe.each(Object.entries(CONNECT))('%s', (_, connect) => {
  test('by fetch: a proof with every request, also where a nonce is demanded', async () => {
    const agent = await open('billing-analyst')
    for (const url of [guarded.url, strict.url]) {
      sent.length = 0
      const client = await connect(url, { fetch: agent.fetch(url) })
      expect((await client.callTool(SEARCH)).isError).not.toBe(true)
      expect(sent.filter(({ path }) => path === '/mcp').every(({ scheme }) => scheme === 'DPoP')).toBe(true)
      await client.close()
    }
  })

  test.each(['authProvider', 'oauthProvider'] as const)('by %s', async kind => {
    const agent = await open('billing-analyst')
    if (kind === 'oauthProvider' || connect !== CONNECT['SDK v1']) {
      const client = await connect(guarded.url, { authProvider: agent[kind](guarded.url) })
      expect((await client.callTool(SEARCH)).isError).not.toBe(true)
      await client.close()
    }
  })
})

test('an agent that must bind its tokens does so with the nonces of the authority, and has none without', async () => {
  await world.api.agents.update({ id: 'billing-analyst', dpop: true })
  const agent = await open('billing-analyst')
  const client = await CONNECT['SDK v1'](strict.url, { fetch: agent.fetch(strict.url) })
  expect((await client.callTool(SEARCH)).isError).not.toBe(true)
  await client.close()
  await expect(agent.token({ resource: strict.url })).rejects.toMatchObject({
    code: 'token.refused',
    message: expect.stringContaining('send a proof'),
  })
  await world.api.agents.update({ id: 'billing-analyst', dpop: false })
})

test('calls at once share one question to the authority', async () => {
  const agent = await open('billing-analyst')
  sent.length = 0
  const call = agent.fetch(guarded.url)
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: SEARCH })
  const headers = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' }
  const answers = await Promise.all(
    Array.from({ length: 20 }, () => call(guarded.url, { method: 'POST', headers, body })),
  )
  expect(answers.map(({ status }) => status)).toEqual(Array(20).fill(200))
  for (const answer of answers) await answer.text()
  expect(sent.filter(({ path }) => path === '/token')).toHaveLength(1)
})

test('a server says who its authority is and what a call needs', async () => {
  expect(await describeServer(guarded.url)).toEqual({
    ...{ resource: guarded.url, issuers: [world.url] },
    scope: expect.stringContaining('invoices:read'),
  })
})

describe('an agent that is revoked halts', () => {
  test('what is under way stops everywhere, and nothing leaves it any more', async () => {
    const agent = await open('support-bot')
    await using silent = await openSilent()
    const send = async (request: Request) => library.handler(request, {} as never)
    await world.register({ name: 'silent', url: silent.url, send, rules: LIBRARY_RULES })
    const hanging = agent
      .fetch(silent.url)(silent.url)
      .catch((error: unknown) => error)
    await silent.arrived
    const client = await CONNECT['SDK v2, modern'](guarded.url, { fetch: agent.fetch(guarded.url) })
    const ran = library.ran.length
    const pending = client
      .callTool({ name: 'wait', arguments: { ms: 60_000 } })
      .catch((error: unknown) => error)
    await expect.poll(() => library.ran.length).toBe(ran + 1)

    await world.api.revocations.create({ kind: 'agent', id: 'support-bot', reason: 'leaked' })
    expect(await pending).toBeInstanceOf(Error)
    const after = await client.callTool(SEARCH).catch((error: unknown) => error)
    expect(reasonOf(after)).toMatchObject({
      code: 'agent.halted',
      message: expect.stringMatching(/refuses a token .*invalid_client/),
    })
    expect(await hanging).toBeInstanceOf(Halted)

    sent.length = 0
    const bearer = await CONNECT['SDK v1'](guarded.url, {
      authProvider: agent.oauthProvider(guarded.url),
    }).catch((error: unknown) => error)
    expect(bearer).toBeInstanceOf(Halted)
    await expect(agent.token({ resource: guarded.url })).rejects.toBeInstanceOf(Halted)
    await expect(agent.fetch(silent.url)(silent.url)).rejects.toBeInstanceOf(Halted)
    expect(sent).toEqual([])
    await client.close()
  })
})

/** The transports may wrap it: the reason is what counts. */
function reasonOf(error: unknown): Halted | undefined {
  for (let at = error; at instanceof Error; at = at.cause) if (at instanceof Halted) return at
  return undefined
}

/** A server that takes a request and never answers. */
async function openSilent() {
  let arrive = () => {}
  const arrived = new Promise<void>(resolve => {
    arrive = resolve
  })
  const server = createServer(() => arrive())
  await new Promise<void>(resolve => void server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`,
    arrived,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
    },
  }
}
