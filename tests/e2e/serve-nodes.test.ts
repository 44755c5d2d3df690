import { createServer } from 'node:http'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type AdminApi, api, type Client, createClient } from '@valetkey/sdk/contract'
import { createGuard, type Guard, readOffer } from '@valetkey/sdk/guard'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createBillingHandler } from '../../packages/server/src/cli/run/demo/billing.ts'
import { findFreePort } from '../../packages/server/src/cli/run/demo/files.ts'
import { freshDatabase, type PostgresServer, startPostgres } from '../storage/databases.ts'
import { type Balancer, startBalancer } from './balancer.ts'
import { identify } from './identity.ts'
import { BILLING_RULES, mapRules, seedNorthwind } from './northwind.ts'
import type { Program } from './program.ts'
import { say } from './say.ts'
import { openSite, type Site } from './serving.ts'

/** A node: what it is started with, the process as it is now, and the admin API through it. */
interface Node {
  site: Site
  port: number
  process: Program
  api: Client<AdminApi>
}

let postgres: PostgresServer
let balancer: Balancer
let issuer: string
let a: Node
let b: Node
let mcp: { url: string; guard: Guard; close(): Promise<void> }

beforeAll(async () => {
  postgres = await startPostgres()
  const port = await findFreePort()
  issuer = `http://127.0.0.1:${port}`
  const first = await openSite({
    VALETKEY_ISSUER: issuer,
    VALETKEY_DATABASE_URL: await freshDatabase(postgres.url),
  })
  const { VALETKEY_MASTER_KEY = '', VALETKEY_DATABASE_URL = '' } = first.env
  const second = await openSite({ VALETKEY_ISSUER: issuer, VALETKEY_MASTER_KEY, VALETKEY_DATABASE_URL })
  const sites = [first, second]
  // At once, on an empty database.
  const processes = await Promise.all(sites.map(site => site.serve()))
  const token = await claimAny(sites, processes)
  const nodes = sites.map((site, index): Node => {
    const client = createClient(api, { baseUrl: site.url, token: () => token })
    return { site, port: Number(new URL(site.url).port), process: processes[index] as Program, api: client }
  })
  ;[a, b] = nodes as [Node, Node]
  balancer = await startBalancer(port, b.port, a.port)
  await seedNorthwind(a.api)
  mcp = await serveBilling()
})

afterAll(async () => {
  await mcp?.close()
  await balancer?.[Symbol.asyncDispose]()
  for (const node of [a, b]) await node?.process[Symbol.asyncDispose]()
  for (const node of [a, b]) await node?.site[Symbol.asyncDispose]()
  await postgres?.close()
})

/** Of nodes that begin together on an empty database, the code that was made last is the one that works. */
async function claimAny(sites: Site[], processes: Program[]): Promise<string> {
  const claims = sites.map((site, index) => site.claim(processes[index] as Program))
  const { token } = await Promise.any(claims)
  return token
}

/** The billing server behind a guard that knows only the address that all nodes share. */
async function serveBilling(): Promise<typeof mcp> {
  const { fetch: handler } = createBillingHandler()
  const port = await findFreePort()
  const url = `http://127.0.0.1:${port}/mcp`
  const offer = await readOffer({ url, send: request => handler(request) })
  await a.api.servers.create({ name: 'billing', url })
  await mapRules(a.api, 'billing', offer, BILLING_RULES)
  const { key } = await a.api.serverKeys.create({ server: 'billing', label: 'test' })
  const directory = join(a.site.directory, 'guard')
  const guard = createGuard({ url: issuer, serverKey: key ?? '', directory })
  const http = createServer(guard.node((request, extra) => handler(request, extra)))
  await new Promise<void>(resolve => void http.listen(port, '127.0.0.1', resolve))
  await guard.ready()
  return {
    url,
    guard,
    async close() {
      await guard.close()
      http.closeAllConnections()
      http.close()
    },
  }
}

/** One call as a word: `ok`, or why not. */
async function call(token: string): Promise<string> {
  const read = { name: 'get_invoice', arguments: { customer: 'acme', id: 'INV-1042' } }
  const { status, body } = await say(mcp.url, 'tools/call', read, { token })
  if (status !== 200) return String(status)
  return body.result?._meta?.['valetkey/denied']?.reason ?? body.error?.data?.reason ?? 'ok'
}

/** Calls all the time while something happens, and says what the answers were. */
async function callsWhile(token: string, work: () => Promise<void>): Promise<string[]> {
  const answers = new Set<string>()
  let isDone = false
  const caller = (async () => {
    for (; !isDone; await sleep(20)) answers.add(await call(token))
  })()
  await work().finally(() => {
    isDone = true
  })
  await caller
  return [...answers]
}

const readiness = (node: Node) => fetch(`${node.site.adminUrl}/readyz`).then(answer => answer.status)

test('a token from one node is good before a guard that follows the other, until it is revoked through the first', async () => {
  const agent = await identify(a.api, a.site.url, 'support-bot')
  const token = await agent.token(mcp.url)
  expect(await call(token)).toBe('ok')
  const { credential } = agent.secret
  const revoked = await a.api.revocations.create({ kind: 'credential', id: credential, waitMs: 10_000 })
  expect(revoked).toMatchObject({ barrier: { complete: true, points: [{ outcome: 'confirmed' }] } })
  expect(await call(token)).toBe('401')
  const records = async () => (await b.api.audit.calls({ agent: 'support-bot' })).items.length
  await expect.poll(records, { timeout: 5_000 }).toBe(2)
})

test('a receiver of security events that waits at one node is told at once of what happens at the other', async () => {
  const receiver = await a.api.signalReceivers.create({ name: 'crm' })
  const asked = await fetch(`${b.site.url}/token`, {
    method: 'POST',
    body: new URLSearchParams({
      ...{ grant_type: 'client_credentials', client_id: receiver.id, client_secret: receiver.secret },
    }),
  })
  const { access_token } = (await asked.json()) as { access_token: string }
  const send = async (node: Node, path: string, body: object) => {
    const headers = { authorization: `Bearer ${access_token}`, 'content-type': 'application/json' }
    const response = await fetch(`${node.site.url}/signals${path}`, {
      ...{ method: 'POST', headers, body: JSON.stringify(body) },
    })
    return (await response.json()) as { stream_id: string; sets: Record<string, string> }
  }
  const { stream_id } = await send(a, '/streams', {})
  const began = performance.now()
  const waiting = send(b, `/poll/${stream_id}`, {})
  // Whether it waits by then or asks a moment later, it is told.
  await a.api.revocations.create({ kind: 'token', id: 'atk_of-the-first-node' })
  const { sets } = await waiting
  expect(Object.keys(sets)).toHaveLength(1)
  expect(Buffer.from(Object.values(sets)[0]?.split('.')[1] ?? '', 'base64url').toString()).toContain(
    'atk_of-the-first-node',
  )
  // An answer without events takes twenty seconds.
  expect(performance.now() - began).toBeLessThan(15_000)
})

test('the node that a guard follows is stopped, and another time killed: the guard goes on with the other one', async () => {
  const agent = await identify(a.api, a.site.url, 'billing-analyst')
  const token = await agent.token(mcp.url)
  const answers = await callsWhile(token, async () => {
    b.process.signal('SIGTERM')
    const asked = performance.now()
    expect(await b.process.ended).toBe(0)
    expect(performance.now() - asked).toBeLessThan(5_000)
    await sleep(6_000)
    balancer.prefer(b.port, a.port)
    b.process = await b.site.serve()
    a.process.signal('SIGKILL')
    await a.process.ended
    // Longer than a lease.
    await sleep(6_000)
    a.process = await a.site.serve()
  })
  expect(answers).toEqual(['ok'])
  const { secret } = agent
  await a.api.revocations.create({ kind: 'credential', id: secret.credential })
  await expect.poll(() => call(token)).toBe('401')
})

test('without its database nothing is allowed on old word, and with it back all is well by itself', async () => {
  const agent = await identify(a.api, a.site.url, 'billing-analyst')
  const token = await agent.token(mcp.url)
  expect(await call(token)).toBe('ok')
  const stopped = performance.now()
  await postgres.stop('crash')
  expect(await call(token)).toBe('ok')
  for (const node of [a, b]) {
    const { clientId, clientSecret } = agent.secret
    const form = {
      grant_type: 'client_credentials',
      resource: mcp.url,
      client_id: clientId,
      client_secret: clientSecret,
    }
    const answer = await fetch(`${node.site.url}/token`, { method: 'POST', body: new URLSearchParams(form) })
    expect(answer.status).toBe(503)
    const write = node.api.people.create({ email: 'lost@northwind.test', name: 'Lost' })
    await expect(write).rejects.toMatchObject({ status: 503, code: 'store.unavailable' })
    expect(await readiness(node)).toBe(503)
    expect(await (await fetch(`${node.site.adminUrl}/metrics`)).text()).toContain('valetkey_database_up 0')
    expect((await fetch(`${node.site.adminUrl}/livez`)).status).toBe(200)
  }
  await expect.poll(() => call(token), { timeout: 10_000, interval: 50 }).toBe('stale')
  expect(performance.now() - stopped).toBeLessThan(8_000)
  expect(await call(token)).toBe('stale')

  a.process.signal('SIGTERM')
  expect(await a.process.ended).toBe(0)
  const early = a.site.attempt()
  expect(await early.ended).toBe(6)
  expect(early.err()).toContain('[store.unavailable]')

  await postgres.start()
  a.process = await a.site.serve()
  await expect.poll(() => call(token), { timeout: 15_000 }).toBe('ok')
  for (const node of [a, b]) {
    await expect.poll(() => readiness(node), { timeout: 15_000 }).toBe(200)
    await node.api.people.create({ email: `back-${node.port}@northwind.test`, name: 'Back' })
  }
  const people = (await b.api.people.list({ limit: 200 })).items.map(person => person.email)
  expect(people).not.toContain('lost@northwind.test')
  expect(await agent.token(mcp.url)).toBeTruthy()
})
