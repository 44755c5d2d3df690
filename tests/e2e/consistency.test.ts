import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type AdminApi, api, type Client, createClient } from '@valetkey/sdk/contract'
import { readOffer } from '@valetkey/sdk/guard'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createBillingHandler } from '../../packages/server/src/cli/run/demo/billing.ts'
import { findFreePort } from '../../packages/server/src/cli/run/demo/files.ts'
import { chainOf, type Hand } from '../integration/delegation-stage.ts'
import { freshDatabase, type PostgresServer, startPostgres } from '../storage/databases.ts'
import { type Balancer, startBalancer } from './balancer.ts'
import { createHand } from './hand.ts'
import { identify } from './identity.ts'
import { BILLING_RULES, mapRules, seedNorthwind } from './northwind.ts'
import type { PointSettings } from './point-process.ts'
import type { Program } from './program.ts'
import { say } from './say.ts'
import { openSite, type Site } from './serving.ts'

/** A node, the admin API through it, and the revision of the last write there. */
interface Node {
  site: Site
  process: Program
  api: Client<AdminApi>
  written(): string
}

let postgres: PostgresServer
let issuer: string
let first: Node
let second: Node
/** Two points hang on the first node and one on the second; each goes to the other node when its own is gone. */
const balancers: Balancer[] = []
const points: { url: string; process: ChildProcess }[] = []
const RESOURCE = 'http://billing.northwind.test/mcp'

beforeAll(async () => {
  postgres = await startPostgres()
  const [port, otherPort] = [await findFreePort(), await findFreePort()]
  issuer = `http://127.0.0.1:${port}`
  const one = await openSite({
    VALETKEY_ISSUER: issuer,
    VALETKEY_DATABASE_URL: await freshDatabase(postgres.url),
  })
  const { VALETKEY_MASTER_KEY = '', VALETKEY_DATABASE_URL = '' } = one.env
  const other = await openSite({ VALETKEY_ISSUER: issuer, VALETKEY_MASTER_KEY, VALETKEY_DATABASE_URL })
  const program = await one.serve()
  const { token } = await one.claim(program)
  first = toNode(one, program, token)
  second = toNode(other, await other.serve(), token)
  const ports = [one, other].map(({ url }) => Number(new URL(url).port))
  balancers.push(await startBalancer(port, ...ports), await startBalancer(otherPort, ...ports.toReversed()))
  await seedNorthwind(first.api)
  await startPoints([issuer, issuer, `http://127.0.0.1:${otherPort}`])
})

afterAll(async () => {
  for (const { process } of points) process.kill('SIGKILL')
  for (const balancer of balancers) await balancer[Symbol.asyncDispose]()
  for (const node of [first, second]) await node?.process[Symbol.asyncDispose]()
  for (const node of [first, second]) await node?.site[Symbol.asyncDispose]()
  await postgres?.close()
})

function toNode(site: Site, process: Program, token: string): Node {
  let revision = ''
  const client = createClient(api, {
    baseUrl: site.url,
    token: () => token,
    async fetch(request) {
      const answer = await fetch(request)
      revision = answer.headers.get('valetkey-revision') ?? revision
      return answer
    },
  })
  return { site, process, api: client, written: () => revision }
}

async function startPoints(places: readonly string[]): Promise<void> {
  const { fetch: handler } = createBillingHandler()
  const offer = await readOffer({ url: RESOURCE, send: request => handler(request) })
  await first.api.servers.create({ name: 'billing', url: RESOURCE })
  await mapRules(first.api, 'billing', offer, BILLING_RULES)
  const { key } = await first.api.serverKeys.create({ server: 'billing', label: 'test' })
  for (const [index, via] of places.entries()) {
    const port = await findFreePort()
    const directory = join(first.site.directory, `point-${index}`)
    const settings: PointSettings = { issuer, via, serverKey: key ?? '', directory, port }
    const program = join(import.meta.dirname, 'point-process.ts')
    const child = fork(program, [JSON.stringify(settings)], { stdio: 'inherit' })
    points.push({ url: `http://127.0.0.1:${port}/mcp`, process: child })
    await once(child, 'message')
  }
}

/** One call before each point, each as a word: `ok`, or why not. */
function callAll(token: string): Promise<string[]> {
  const read = { name: 'get_invoice', arguments: { customer: 'acme', id: 'INV-1042' } }
  return Promise.all(
    points.map(async ({ url }) => {
      const { status, body } = await say(url, 'tools/call', read, { token })
      if (status !== 200) return String(status)
      return body.result?._meta?.['valetkey/denied']?.reason ?? body.error?.data?.reason ?? 'ok'
    }),
  )
}

const ALL_OK = ['ok', 'ok', 'ok']
const NONE = ['401', '401', '401']
const CONFIRMED = [{ outcome: 'confirmed' }, { outcome: 'confirmed' }, { outcome: 'confirmed' }]

async function hire(name: string): Promise<{ token: string; assignment: string }> {
  await first.api.agents.create({ name, owner: 'maya@northwind.test', ceiling: ['invoices:*'] })
  const { id } = await first.api.assignments.create({ principal: name, role: 'support-agent' })
  // Through whichever node answers: a token of one is good before points of the other.
  const token = await (await identify(first.api, issuer, name)).token(RESOURCE)
  await expect.poll(() => callAll(token), { timeout: 10_000 }).toEqual(ALL_OK)
  return { token, assignment: id }
}

test('what is written to one node reaches three points on two nodes: a role taken and given, a role narrowed', async () => {
  const { token, assignment } = await hire('first-bot')
  const refused = Array.from({ length: 3 }, () => 'agent_lacks_permission')
  await first.api.assignments.remove({ id: assignment })
  await expect.poll(() => callAll(token), { interval: 5 }).toEqual(refused)
  await first.api.assignments.create({ principal: 'first-bot', role: 'support-agent' })
  await expect.poll(() => callAll(token), { interval: 5 }).toEqual(ALL_OK)
  await first.api.roles.update({ id: 'support-agent', permissions: ['files:read'] })
  await expect.poll(() => callAll(token), { interval: 5 }).toEqual(refused)
  await first.api.roles.update({ id: 'support-agent', permissions: ['invoices:read', 'files:read'] })
  await expect.poll(() => callAll(token), { interval: 5 }).toEqual(ALL_OK)
})

test('a revocation through either node waits for 3 of 3 points, and from then on none lets the token pass', async () => {
  for (const [node, name] of [
    [first, 'second-bot'],
    [second, 'third-bot'],
  ] as const) {
    const { token } = await hire(name)
    const { barrier } = await node.api.revocations.create({ kind: 'agent', id: name, waitMs: 10_000 })
    expect(barrier).toMatchObject({ complete: true, points: CONFIRMED })
    expect(await callAll(token)).toEqual(NONE)
  }
})

test('a delegation taken back on one node takes what follows along at three points, and in what the other node says', async () => {
  await first.api.delegationRules.put({ from: 'organization', to: 'organization' })
  const places = { api: first.api, url: issuer, billing: { resource: RESOURCE } }
  const hands: Hand[] = []
  for (const name of ['chief', 'middle', 'last-bot']) {
    await first.api.agents.create({
      name,
      owner: 'maya@northwind.test',
      kind: 'both',
      ceiling: ['invoices:*'],
    })
    await first.api.assignments.create({ principal: name, role: 'support-agent' })
    hands.push(await createHand(places, name))
  }
  const { links, answer } = await chainOf(hands)
  const token = String(answer['access_token'])
  await expect.poll(() => callAll(token), { timeout: 10_000 }).toEqual(ALL_OK)
  const { key } = await first.api.serverKeys.create({ server: 'billing', label: 'asks' })
  const isActive = async ({ site }: Node) => {
    const init = {
      method: 'POST',
      headers: { authorization: `Bearer ${key}` },
      body: new URLSearchParams({ token }),
    }
    return ((await (await fetch(`${site.url}/token/introspection`, init)).json()) as { active: boolean })
      .active
  }
  expect(await Promise.all([first, second].map(isActive))).toEqual([true, true])
  const revocation = { kind: 'delegation', id: links[0] ?? '', waitMs: 10_000 } as const
  const { barrier } = await first.api.revocations.create(revocation)
  expect(await Promise.all([first, second].map(isActive))).toEqual([false, false])
  expect(barrier).toMatchObject({ complete: true, points: CONFIRMED })
  expect(await callAll(token)).toEqual(NONE)
})

test('right after a write on one node, the other never answers what was before it', async () => {
  const question = {
    principal: 'agent:doubted',
    permission: 'invoices:read',
    resource: 'organization/northwind',
  }
  const { assignment } = await hire('doubted')
  let given: string | undefined = assignment
  for (let i = 0; i < 60; i++) {
    if (given === undefined)
      given = (await first.api.assignments.create({ principal: 'doubted', role: 'support-agent' })).id
    else {
      await first.api.assignments.remove({ id: given })
      given = undefined
    }
    const consistency = i % 3 === 0 ? 'strong' : first.written()
    const { allowed, reason } = await second.api.access.check({ ...question, consistency })
    expect({ i, allowed, reason: allowed ? '' : reason }).toEqual({
      ...{ i, allowed: given !== undefined },
      reason: given === undefined ? 'permission_missing' : '',
    })
  }
})

test('the first node is killed amid writes: what it acknowledged stands, and all three points follow the second', async () => {
  const { token } = await hire('survivor')
  const acknowledged: string[] = []
  const writing = (async () => {
    for (let i = 0; ; i++) {
      const email = `person-${i}@northwind.test`
      await first.api.people.create({ email, name: 'Somebody' })
      acknowledged.push(email)
    }
  })().catch(() => undefined)
  await expect.poll(() => acknowledged.length, { timeout: 10_000 }).toBeGreaterThan(20)
  first.process.signal('SIGKILL')
  await Promise.all([first.process.ended, writing])
  const answers = new Set<string>()
  // Longer than a lease.
  for (const until = performance.now() + 6_000; performance.now() < until; await sleep(50))
    for (const answer of await callAll(token)) answers.add(answer)
  expect([...answers]).toEqual(['ok'])
  expect(await emailsOf(second.api)).toEqual(expect.arrayContaining(acknowledged))
  const revocation = { kind: 'agent', id: 'survivor', waitMs: 10_000 } as const
  const { barrier } = await second.api.revocations.create(revocation)
  expect(barrier).toMatchObject({ complete: true, points: CONFIRMED })
  expect(await callAll(token)).toEqual(NONE)
})

async function emailsOf(client: Client<AdminApi>): Promise<string[]> {
  const emails: string[] = []
  for (let cursor: string | undefined; ; ) {
    const page = await client.people.list({ limit: 200, ...(cursor !== undefined && { cursor }) })
    emails.push(...page.items.map(({ email }) => email ?? ''))
    if (page.next === null) return emails
    cursor = page.next
  }
}
