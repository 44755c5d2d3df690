import { McpServer as McpServerV1 } from '@modelcontextprotocol/sdk/server/mcp.js'
import { WebStandardStreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server'
import { createAgent } from '@valetkey/sdk/agent'
import { type Handler, type ValetKey, valetkeyOf } from '@valetkey/sdk/guard'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod'
import type { Identity } from './identity.ts'
import type { Rules } from './northwind.ts'
import { say } from './say.ts'
import { type GuardedServer, startWorld, type World } from './world.ts'

/** Tools that say what the valet key says. */
const RULES: Rules = {
  mine: { needs: 'account:read', resource: 'customer/*', risk: 'read' },
  invoices: { needs: 'account:bill', resource: 'invoice/*', risk: 'read' },
  anything: { needs: 'invoices:read', risk: 'read' },
}

let world: World
let clerk: Identity
let grant: string

beforeAll(async () => {
  world = await startWorld()
  const { api } = world
  await api.permissions.create({ slug: 'account:read', type: 'customer', risk: 'read' })
  await api.permissions.create({ slug: 'account:bill', type: 'invoice', risk: 'dangerous' })
  await api.resources.put({ type: 'customer', id: 'empty' })
  const permissions = ['account:read', 'account:bill']
  await api.roles.create({ slug: 'account-manager', type: 'customer', permissions })
  await api.agents.create({
    name: 'clerk',
    owner: 'maya@northwind.test',
    kind: 'both',
    ceiling: ['account:*'],
  })
  for (const [principal, resource] of [
    ['agent:clerk', 'customer/acme'],
    ['agent:clerk', 'customer/empty'],
    ['user:jon@northwind.test', 'customer/acme'],
    ['user:jon@northwind.test', 'customer/globex'],
  ] as const)
    await api.assignments.create({ principal, role: 'account-manager', resource })
  clerk = await world.identify('clerk')
  const made = await api.grants.create({
    agent: 'clerk',
    person: 'jon@northwind.test',
    scopes: ['account:read'],
  })
  grant = made.id
})
afterAll(async () => {
  await world[Symbol.asyncDispose]()
})

/** For the person behind the grant. */
function tokenForJon(resource: string): Promise<string> {
  const { clientId, clientSecret } = clerk.secret
  return createAgent({ issuer: world.url, clientId, secret: clientSecret }).token({ resource, grant })
}

const answer = async (key: ValetKey) => ({
  content: [
    {
      type: 'text' as const,
      text: JSON.stringify({ ...key, filter: await key.filter('account:read') }),
    },
  ],
})

function onSdkV2(): Handler {
  return createMcpHandler(({ authInfo }) => {
    // What the server is built for says it too.
    expect(valetkeyOf({ authInfo }).organization).toBeTypeOf('string')
    const server = new McpServer({ name: 'v2', version: '1' })
    for (const name of Object.keys(RULES))
      server.registerTool(name, { inputSchema: z.object({}) }, async (_, ctx) => answer(valetkeyOf(ctx)))
    return server
  }).fetch
}

function onSdkV1(): Handler {
  return async (request, options) => {
    const server = new McpServerV1({ name: 'v1', version: '1' })
    for (const name of Object.keys(RULES))
      server.registerTool(name, { inputSchema: {} }, async (_, extra) => answer(valetkeyOf(extra)))
    const transport = new WebStandardStreamableHTTPServerTransport({ enableJsonResponse: true })
    await server.connect(transport as Transport)
    return transport.handleRequest(request, options)
  }
}

/** Written with no SDK; `ctx.valetkey` is there as it is. */
function onNothing(): Handler {
  return async (request, ctx) => {
    const { id, method } = (ctx.parsedBody ?? (await request.json())) as { id: number; method: string }
    if (method === 'server/discover') return new Response(null, { status: 404 })
    if (id === undefined) return new Response(null, { status: 202 })
    const tools = Object.keys(RULES).map(name => ({ name, inputSchema: { type: 'object', properties: {} } }))
    const serverInfo = { name: 'own', version: '1' }
    const result =
      method === 'tools/list'
        ? { tools }
        : method === 'initialize'
          ? { protocolVersion: '2025-11-25', capabilities: { tools: {} }, serverInfo }
          : await answer(ctx.valetkey)
    expect(valetkeyOf(ctx)).toBe(ctx.valetkey)
    return Response.json({ jsonrpc: '2.0', id, result })
  }
}

const HANDLERS = [
  ['sdk-v2', onSdkV2, ['modern', 'legacy']],
  ['sdk-v1', onSdkV1, ['legacy']],
  ['no-sdk', onNothing, ['legacy']],
] as const

describe.each(HANDLERS)('tool code on %s', (name, make, eras) => {
  let server: GuardedServer
  beforeAll(async () => {
    server = await world.serve({ name: `key-${name}`, handler: make(), rules: RULES })
  })

  async function mine(token: string, era: (typeof eras)[number]) {
    const { body } = await say(server.url, 'tools/call', { name: 'mine', arguments: {} }, { token, era })
    return JSON.parse(body.result.content[0].text)
  }

  test.each(eras)('%s: hears who calls and what it may see', async era => {
    const seen = await mine(await clerk.token(server.url), era)
    expect(seen).toMatchObject({
      organization: expect.stringMatching(/^org_/),
      agent: expect.stringMatching(/^agt_/),
      person: null,
      grant: null,
    })
    expect(seen.filter).toEqual({
      all: false,
      roots: [
        { type: 'customer', id: 'acme' },
        { type: 'customer', id: 'empty' },
      ],
    })
  })

  test.each(eras)('%s: for a person, only what both hold', async era => {
    const seen = await mine(await tokenForJon(server.url), era)
    expect(seen).toMatchObject({ person: expect.stringMatching(/^usr_/), grant })
    expect(seen.filter).toEqual({ all: false, roots: [{ type: 'customer', id: 'acme' }] })
  })
})

test('tools/list shows a tool only while something is there that this caller could use it on', async () => {
  const { api } = world
  await api.agents.create({ name: 'newcomer', owner: 'maya@northwind.test', ceiling: ['account:*'] })
  await api.assignments.create({
    principal: 'agent:newcomer',
    role: 'account-manager',
    resource: 'customer/empty',
  })
  const newcomer = await world.identify('newcomer')
  const server = await world.serve({ name: 'key-list', handler: onSdkV2(), rules: RULES })
  const token = await newcomer.token(server.url)
  const names = async () => {
    const { body } = await say(server.url, 'tools/list', {}, { token, era: 'modern' })
    return body.result.tools.map((tool: { name: string }) => tool.name)
  }
  expect(await names()).toEqual(['mine'])
  await api.resources.put({ type: 'invoice', id: 'INV-E1', parent: 'customer/empty' })
  await expect.poll(names).toEqual(['mine', 'invoices'])
  await api.resources.remove({ resource: 'invoice/INV-E1' })
  await expect.poll(names).toEqual(['mine'])
  await api.resources.remove({ resource: 'customer/empty', cascade: 'true' })
  await expect.poll(names).toEqual([])
})

test('a permission that is not there is an error of the tool, and one that nobody gave is nothing', async () => {
  const asked: string[] = []
  const handler = createMcpHandler(() => {
    const server = new McpServer({ name: 'asking', version: '1' })
    server.registerTool('mine', { inputSchema: z.object({ permission: z.string() }) }, async (args, ctx) => {
      asked.push(args.permission)
      const text = JSON.stringify(await valetkeyOf(ctx).filter(args.permission))
      return { content: [{ type: 'text', text }] }
    })
    return server
  })
  const { mine } = RULES
  const server = await world.serve({ name: 'key-odd', handler: handler.fetch, rules: { mine } as Rules })
  const token = await clerk.token(server.url)
  const ask = async (permission: string) => {
    const params = { name: 'mine', arguments: { permission } }
    return (await say(server.url, 'tools/call', params, { token, era: 'modern' })).body.result
  }
  expect((await ask('acount:read')).isError).toBe(true)
  expect((await ask('invoices:refund')).content[0].text).toBe('{"all":false,"roots":[]}')
  expect(asked).toEqual(['acount:read', 'invoices:refund'])
})

test('past the lease nothing is known, and nothing is guessed', async () => {
  let aheadMs = 0
  const clock = {
    now: () => Date.now() + aheadMs,
    monotonic: () => performance.now() + aheadMs,
  }
  const { mine } = RULES
  const handler = createMcpHandler(() => {
    const server = new McpServer({ name: 'slow', version: '1' })
    server.registerTool('mine', { inputSchema: z.object({}) }, async (_, ctx) => {
      // While the tool works, the authority falls silent.
      await world.authority.stop()
      aheadMs = 6_000
      return answer(valetkeyOf(ctx))
    })
    return server
  })
  const rules = { mine } as Rules
  const server = await world.serve({ name: 'key-late', handler: handler.fetch, rules, guard: { clock } })
  const token = await clerk.token(server.url)
  const { body } = await say(
    server.url,
    'tools/call',
    { name: 'mine', arguments: {} },
    { token, era: 'modern' },
  )
  await world.authority.start()
  expect(body.result).toMatchObject({ isError: true })
  expect(body.result.content[0].text).toMatch(/What the caller may see is not known now/)
})

test('what a caller sends is never taken for the guard', () => {
  const sent = { valetkey: { organization: 'org_1', filter: 'all' }, authInfo: { extra: {} } }
  for (const context of [undefined, null, 7, {}, sent, { extra: sent }])
    expect(() => valetkeyOf(context)).toThrow(/did not come through a guard/)
})
