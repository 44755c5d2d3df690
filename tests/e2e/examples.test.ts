import { spawn } from 'node:child_process'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { getRequestListener } from '@hono/node-server'
import type { Handler } from '@valetkey/sdk/guard'
import express from 'express'
import { Hono } from 'hono'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createInvoices } from '../../examples/invoices.ts'
import { createInvoicesV1 } from '../../examples/invoices-v1.ts'
import { findFreePort } from '../../packages/server/src/cli/run/demo/files.ts'
import { BILLING_RULES } from './northwind.ts'
import { type Reply, read, say } from './say.ts'
import { type GuardedServer, startWorld, type World } from './world.ts'

const { get_invoice, refund_invoice } = BILLING_RULES
const RULES = { get_invoice, refund_invoice } as typeof BILLING_RULES
const READ = { name: 'get_invoice', arguments: { customer: 'acme', id: 'INV-1042' } }
const REFUND = { name: 'refund_invoice', arguments: { customer: 'acme', id: 'INV-1042', amount: 20 } }

let world: World
let tokenFor: (url: string) => Promise<string>

beforeAll(async () => {
  world = await startWorld()
  const bot = await world.identify('support-bot')
  tokenFor = url => bot.token(url)
})
afterAll(async () => {
  await world[Symbol.asyncDispose]()
})

/** What every integration does alike: a challenge, a filtered list, a permitted and a refused call. */
async function expectGuarded(url: string, era: 'modern' | 'legacy', prepare = openSession): Promise<void> {
  const token = await tokenFor(url)
  const bare = await say(url, 'tools/list', {}, { era })
  expect(bare.status).toBe(401)
  const metadata = `${new URL(url).origin}/.well-known/oauth-protected-resource/mcp`
  expect(bare.headers.get('www-authenticate')).toContain(`resource_metadata="${metadata}"`)
  expect(await (await fetch(metadata)).json()).toMatchObject({
    resource: url,
    authorization_servers: [world.url],
  })
  const headers = era === 'legacy' ? await prepare(url, token) : {}
  const list = await say(url, 'tools/list', {}, { token, era, headers })
  expect(list.body.result.tools.map((tool: { name: string }) => tool.name)).toEqual(['get_invoice'])
  const permitted = await say(url, 'tools/call', READ, { token, era, headers })
  expect(textOf(permitted)).toContain('"amount":120')
  const refused = await say(url, 'tools/call', REFUND, { token, era, headers })
  expect(refused).toMatchObject({ status: 200, body: { result: { isError: true } } })
  expect(textOf(refused)).toMatch(/^Denied: no role of this agent holds invoices:refund/)
}

function textOf(reply: Reply): string | undefined {
  return reply.body?.result?.content?.[0]?.text
}

async function openSession(url: string, token: string): Promise<Record<string, string>> {
  const params = {
    protocolVersion: '2025-11-25',
    capabilities: {},
    clientInfo: { name: 'by-hand', version: '1' },
  }
  const { headers } = await say(url, 'initialize', params, { token })
  const session = headers.get('mcp-session-id')
  return session === null ? {} : { 'mcp-session-id': session }
}

describe('the programs in examples/', () => {
  test.each([
    ['guard-sdk-v2.ts', ['modern', 'legacy']],
    ['guard-sdk-v1.ts', ['legacy']],
    ['guard-express.ts', ['modern', 'legacy']],
    ['guard-hono.ts', ['modern', 'legacy']],
    ['guard-fastify.ts', ['modern', 'legacy']],
  ] as const)('%s', async (file, eras) => {
    const port = await findFreePort()
    const url = `http://127.0.0.1:${port}/mcp`
    const handler: Handler = file.includes('v1') ? createInvoicesV1() : createInvoices().fetch
    const name = file.replace('.ts', '')
    const key = await world.register({
      name,
      url,
      send: request => handler(request, {} as never),
      rules: RULES,
    })
    const program = spawn(process.execPath, [join('examples', file)], {
      env: {
        PATH: process.env['PATH'],
        PORT: String(port),
        VALETKEY_URL: world.url,
        VALETKEY_SERVER_KEY: key,
        VALETKEY_DIRECTORY: join(world.directory, name),
      },
      stdio: ['ignore', 'inherit', 'inherit'],
    })
    try {
      await answers(url)
      for (const era of eras) await expectGuarded(url, era)
      if (/express|fastify/.test(file)) expect(await (await fetch(new URL('/health', url))).text()).toBe('ok')
    } finally {
      program.kill()
    }
  })
})

async function answers(url: string): Promise<void> {
  for (const until = Date.now() + 20_000; ; ) {
    const reply = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{}',
    }).catch(() => undefined)
    if (reply?.status === 400) return
    if (Date.now() > until) throw new Error(`${url} does not answer`)
    await new Promise(resolve => setTimeout(resolve, 50))
  }
}

describe('frameworks', () => {
  const serve = (name: string, listener: NonNullable<Parameters<World['serve']>[0]['listener']>) =>
    world.serve({ name, handler: createInvoices().fetch, rules: RULES, listener })
  const both = async (server: GuardedServer) => {
    await expectGuarded(server.url, 'modern')
    await expectGuarded(server.url, 'legacy')
  }

  test('Express with express.json() before the guard: the parsed body is what is decided', async () => {
    const server = await serve('express-json', (guard, handler) =>
      express().use(express.json()).use(guard.node(handler)),
    )
    await both(server)
    const token = await tokenFor(server.url)
    const batch = [{ jsonrpc: '2.0', id: 1, method: 'tools/call', params: READ }]
    const reply = await read(
      await fetch(server.url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
        body: JSON.stringify(batch),
      }),
    )
    expect(reply).toMatchObject({ status: 400, body: { error: { code: -32600 } } })
  })

  test('Express with the guard mounted under its paths', async () => {
    await both(
      await serve('express-mounted', (guard, handler) =>
        express().use(['/mcp', '/.well-known'], guard.node(handler)),
      ),
    )
  })

  test('Express with other routes after the guard: they are not its business', async () => {
    const server = await serve('express-routes', (guard, handler) => {
      const app = express()
      app.use(guard.node(handler))
      app.get('/health', (_, response) => void response.send('ok'))
      return app
    })
    await both(server)
    expect(await (await fetch(new URL('/health', server.url))).text()).toBe('ok')
    expect((await fetch(new URL('/nothing', server.url))).status).toBe(404)
  })

  test('Hono', async () => {
    const server = await serve('hono', (guard, handler) => {
      const guarded = guard.fetch(handler)
      return getRequestListener(new Hono().all('*', c => guarded(c.req.raw)).fetch)
    })
    await both(server)
  })

  test('Next: the route handlers, called as it calls them', async () => {
    const port = await findFreePort()
    const url = `http://127.0.0.1:${port}/mcp`
    const send = (request: Request) => createInvoices().fetch(request)
    const key = await world.register({ name: 'next', url, send, rules: RULES })
    Object.assign(process.env, { VALETKEY_URL: world.url, VALETKEY_SERVER_KEY: key })
    process.env['VALETKEY_DIRECTORY'] = join(world.directory, 'next')
    const routes: Record<string, Record<string, (request: Request) => Promise<Response>>> = {
      '/mcp': await import('../../examples/guard-next/app/mcp/route.ts'),
      '/.well-known/oauth-protected-resource/mcp': await import(
        '../../examples/guard-next/app/.well-known/oauth-protected-resource/mcp/route.ts'
      ),
    }
    const app = createServer(
      getRequestListener(async request => {
        const handler = routes[new URL(request.url).pathname]?.[request.method]
        return handler ? handler(request) : new Response(null, { status: 404 })
      }),
    )
    await new Promise<void>(resolve => void app.listen(port, '127.0.0.1', resolve))
    await expectGuarded(url, 'modern')
    await expectGuarded(url, 'legacy')
    app.closeAllConnections()
    await new Promise(resolve => app.close(resolve))
  })

  test('any fetch-style handler, also one that is not written with an SDK', async () => {
    const handler: Handler = async request => {
      const { id, method } = (await request.json()) as { id: number; method: string }
      const result =
        method === 'tools/list'
          ? { tools: [{ name: 'get_invoice', inputSchema: { type: 'object', properties: {} } }] }
          : method === 'initialize'
            ? {
                protocolVersion: '2025-11-25',
                capabilities: { tools: {} },
                serverInfo: { name: 'own', version: '1' },
              }
            : {
                content: [
                  { type: 'text', text: request.headers.get('authorization') ?? 'no credential came' },
                ],
              }
      return method === 'server/discover'
        ? Response.json(
            { jsonrpc: '2.0', id, error: { code: -32601, message: 'Method not found' } },
            { status: 404 },
          )
        : Response.json({ jsonrpc: '2.0', id, result })
    }
    const server = await world.serve({
      name: 'own',
      handler,
      rules: { get_invoice: { needs: 'invoices:read' } },
    })
    const token = await tokenFor(server.url)
    const reply = await say(server.url, 'tools/call', { name: 'get_invoice', arguments: {} }, { token })
    expect(textOf(reply)).toBe('no credential came')
  })

  test('request targets that are no addresses end in an answer, not in a crash', async () => {
    const server = await serve('odd-targets', (guard, handler) => guard.node(handler))
    for (const line of [
      'GET // HTTP/1.1',
      'TRACE /mcp HTTP/1.1',
      'GET http:// HTTP/1.1',
      'OPTIONS * HTTP/1.1',
    ])
      expect(await speak(server.url, line)).toMatch(/^HTTP\/1\.1 4\d\d /)
    await expectGuarded(server.url, 'modern')
  })
})

/** Sends a request line that no client library would. */
async function speak(url: string, line: string): Promise<string> {
  const { connect } = await import('node:net')
  const { port, host } = new URL(url)
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), '127.0.0.1')
    socket.once('error', reject).once('data', data => {
      resolve(data.toString())
      socket.destroy()
    })
    socket.write(`${line}\r\nHost: ${host}\r\n\r\n`)
  })
}
