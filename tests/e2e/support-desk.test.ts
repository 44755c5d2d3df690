import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type AdminApi, type Client, api as contract, createClient } from '@valetkey/sdk/contract'
import type { JsonObject } from '@valetkey/sdk/core'
import { createGuard, type Guard, readOffer, toDefinitions } from '@valetkey/sdk/guard'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Database, openDatabase } from '../../examples/support-desk/database.ts'
import { createDesk } from '../../examples/support-desk/desk.ts'
import { registerAll } from '../../examples/support-desk/register.ts'
import { findFreePort } from '../../packages/server/src/cli/run/demo/files.ts'
import { type DevAuthority, startDevAuthority } from '../../packages/server/src/cli/run/dev-authority.ts'
import { parsePolicy } from '../../packages/server/src/policy/index.ts'
import { identify } from './identity.ts'
import { say } from './say.ts'

const FOLDER = join(import.meta.dirname, '../../examples/support-desk/policy')
const TENANTS = ['northwind', 'contoso'] as const
type Tenant = (typeof TENANTS)[number]

/** Rows beyond those of the example: the same ids at both tenants, and every text says whose it is. */
const CUSTOMERS = ['acme', 'globex', 'initech', 'umbrella']
const ROWS_EACH = 30

let directory: string
let authority: DevAuthority
let api: Client<AdminApi>
let db: Database
let guard: Guard
let server: Server
let url: string
const tokens = new Map<string, string>()

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'valetkey-desk-'))
  authority = await startDevAuthority({
    directory: join(directory, 'authority'),
    port: await findFreePort(),
    logLevel: 'error',
  })
  api = createClient(contract, { baseUrl: authority.authority.url, token: () => authority.token })
  const port = await findFreePort()
  url = `http://127.0.0.1:${port}/mcp`
  for (const slug of TENANTS) await api.organizations.create({ slug, name: slug })
  await apply('desk', 'northwind')
  db = openDatabase(join(directory, 'desk.db'))
  fill(db)
  await registerAll(db, api)
  for (const tenant of TENANTS) await apply(tenant, tenant)
  const { key } = await api.serverKeys.create({ server: 'desk', label: 'test' })
  guard = createGuard({
    url: authority.authority.url,
    serverKey: key ?? '',
    directory: join(directory, 'guard'),
  })
  server = createServer(guard.node(createDesk(db).fetch))
  await new Promise<void>(resolve => server.listen(port, '127.0.0.1', resolve))
  await guard.ready()
  for (const [tenant, agent] of AGENTS) {
    const { items } = await api.agents.list({ organization: tenant })
    const id = items.find(({ name }) => name === agent)?.id ?? ''
    const identity = await identify(api, authority.authority.url, id)
    tokens.set(`${tenant}/${agent}`, await identity.token(url))
  }
})

afterAll(async () => {
  await guard?.close()
  server?.closeAllConnections()
  server?.close()
  await authority?.authority.close()
  db?.close()
  await rm(directory, { recursive: true, force: true })
})

/** A policy file of the example, with this test's address in place of the example's. */
async function apply(name: string, organization: string): Promise<void> {
  const text = readFileSync(join(FOLDER, `${name}.yaml`), 'utf8')
  const { policy } = parsePolicy([{ name, text: text.replace('http://127.0.0.1:8787/mcp', url) }])
  await api.policy.apply({ organization, policy: policy as JsonObject })
}

function fill(database: Database): void {
  for (const tenant of TENANTS) {
    for (const customer of CUSTOMERS)
      database.prepare('insert or ignore into customer values (?, ?, ?)').run(tenant, customer, customer)
    for (let i = 1; i <= ROWS_EACH; i++) {
      // What is Acme's here is somebody else's there.
      const customer = CUSTOMERS[(i * (tenant === 'contoso' ? 3 : 1)) % CUSTOMERS.length]
      const ticket = [tenant, `T-${i}`, customer, `${tenant} ticket ${i}`, i % 2 ? 'open' : 'closed']
      database.prepare('insert or replace into ticket values (?, ?, ?, ?, ?)').run(ticket)
      const invoice = [tenant, `INV-${i}`, customer, tenant === 'contoso' ? i : 1_000 + i, 'open']
      database.prepare('insert or replace into invoice values (?, ?, ?, ?, ?)').run(invoice)
    }
  }
}

const AGENTS: readonly (readonly [Tenant, string])[] = [
  ['northwind', 'northwind-lead'],
  ['northwind', 'acme-helper'],
  ['northwind', 'one-ticket'],
  ['contoso', 'contoso-lead'],
  ['contoso', 'acme-helper'],
]

interface Ticket {
  id: string
  customer: string
  subject: string
  status: string
}
interface Invoice {
  id: string
  customer: string
  amount: number
}

/** What an agent may see by the policy files, said a second time. */
function maySee(
  tenant: Tenant,
  agent: string,
  type: 'ticket' | 'invoice',
  row: { id: string; customer: string },
) {
  if (agent === `${tenant}-lead`) return true
  if (agent === 'acme-helper') return row.customer === 'acme'
  return type === 'ticket' && row.id === 'T-3'
}

function rowsOf<T>(table: 'ticket' | 'invoice', tenant: Tenant): T[] {
  return db.prepare(`select * from ${table} where tenant = ? order by id`).all(tenant) as T[]
}

async function call(tenant: Tenant, agent: string, name: string, args: JsonObject) {
  const token = tokens.get(`${tenant}/${agent}`) ?? ''
  const { body } = await say(url, 'tools/call', { name, arguments: args }, { token, era: 'modern' })
  const text: string = body.result?.content?.[0]?.text ?? ''
  const isError = body.result?.isError === true || body.error !== undefined
  return {
    isError,
    text,
    value: isError ? undefined : JSON.parse(text),
    reason: body.result?._meta?.['valetkey/denied']?.reason,
  }
}

test('the policy file names the tools as they are', async () => {
  const { policy } = parsePolicy([{ name: 'desk', text: readFileSync(join(FOLDER, 'desk.yaml'), 'utf8') }])
  const { tools } = (policy as { servers: { desk: { tools: Record<string, { definition: string }> } } })
    .servers.desk
  const send = (request: Request) => createDesk(db).fetch(request)
  const offered = toDefinitions(await readOffer({ url, send }))
  expect(Object.entries(tools).map(([name, { definition }]) => [name, definition])).toEqual(
    offered.map(({ name, definition }) => [name, definition]),
  )
})

describe.each(AGENTS)('%s / %s', (tenant, agent) => {
  test('a list holds what single calls allow, and nothing else', async () => {
    for (const [type, list, get] of [
      ['ticket', 'list_tickets', 'get_ticket'],
      ['invoice', 'list_invoices', 'get_invoice'],
    ] as const) {
      const own = rowsOf<{ id: string; customer: string }>(type, tenant)
      const expected = own.filter(row => maySee(tenant, agent, type, row)).map(({ id }) => id)
      const listed = await call(tenant, agent, list, {})
      const shown: string[] = listed.isError ? [] : listed.value.map(({ id }: Ticket) => id)
      expect(shown).toEqual(expected)
      const known = TENANTS.flatMap(each => rowsOf<Ticket>(type, each).map(({ id }) => id))
      for (const id of new Set(known)) {
        const single = await call(tenant, agent, get, { id })
        expect([type, id, !single.isError]).toEqual([type, id, expected.includes(id)])
      }
    }
  })

  test('tools/list shows only what it could use on something that is there', async () => {
    const { body } = await say(url, 'tools/list', {}, { token: tokens.get(`${tenant}/${agent}`) ?? '' })
    const names = body.result.tools.map(({ name }: { name: string }) => name)
    const lead = [
      'list_tickets',
      'search_tickets',
      'get_ticket',
      'close_tickets',
      'list_invoices',
      'get_invoice',
      'refund_invoice',
    ]
    const expected = agent.endsWith('-lead')
      ? lead
      : agent === 'acme-helper'
        ? lead.slice(0, 6)
        : ['list_tickets', 'search_tickets', 'get_ticket']
    expect(names).toEqual(expected)
  })
})

test('in many random calls with guessed ids, no tenant ever sees a row of the other', async () => {
  const ids = Array.from({ length: ROWS_EACH + 5 }, (_, i) => String(i + 1))
  const ticket = fc.constantFrom(...ids).map(n => `T-${n}`)
  const invoice = fc.oneof(
    fc.constantFrom(...ids).map(n => `INV-${n}`),
    fc.constant('INV-9'),
  )
  const text = fc.constantFrom('ticket', 'northwind', 'contoso', '%', "' or 1=1 --", 'printer', '')
  const customer = fc.constantFrom(...CUSTOMERS)
  const request = fc.oneof(
    fc.record({ name: fc.constant('list_tickets'), args: fc.constant({}) }),
    fc.record({ name: fc.constant('search_tickets'), args: fc.record({ text }) }),
    fc.record({ name: fc.constant('get_ticket'), args: fc.record({ id: ticket }) }),
    fc.record({ name: fc.constant('list_invoices'), args: fc.constant({}) }),
    fc.record({ name: fc.constant('get_invoice'), args: fc.record({ id: invoice }) }),
    fc.record({
      name: fc.constant('close_tickets'),
      args: fc.record({ ids: fc.uniqueArray(ticket, { minLength: 1, maxLength: 4 }) }),
    }),
    fc.record({
      name: fc.constant('refund_invoice'),
      args: fc.record({ customer, id: invoice, amount: fc.constantFrom(0.25, 700) }),
    }),
  )
  let permitted = 0
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...AGENTS), request, async ([tenant, agent], { name, args }) => {
      const other = TENANTS.find(each => each !== tenant) as Tenant
      const before = { tickets: rowsOf('ticket', other), invoices: rowsOf('invoice', other) }
      const { isError, value } = await call(tenant, agent, name, args as JsonObject)
      expect({ tickets: rowsOf('ticket', other), invoices: rowsOf('invoice', other) }).toEqual(before)
      if (isError) return
      permitted++
      for (const row of (Array.isArray(value) ? value : [value]) as (Ticket & Invoice)[]) {
        if (row.subject !== undefined) expect(row.subject.startsWith(tenant)).toBe(true)
        if (row.amount !== undefined) expect(row.amount > 900).toBe(tenant === 'northwind')
      }
    }),
    { numRuns: 600 },
  )
  expect(permitted).toBeGreaterThan(100)
})

test('an id of the other tenant, and one that nobody has, get the same answer', async () => {
  const sentence = ({ text }: { text: string }) => text.replace(/dec_\w+/, 'dec_…').replace(/T-\w+/, 'T-…')
  db.prepare("insert into ticket values ('contoso', 'T-500', 'acme', 'contoso ticket 500', 'open')").run()
  await registerAll(db, api)
  const foreign = await call('northwind', 'northwind-lead', 'get_ticket', { id: 'T-500' })
  const unknown = await call('northwind', 'northwind-lead', 'get_ticket', { id: 'T-999' })
  expect(foreign.reason).toBe('resource_unknown')
  expect([foreign.reason, sentence(foreign)]).toEqual([unknown.reason, sentence(unknown)])
})

test('a call that names several tickets passes with all of them or not at all, and is found by each', async () => {
  const [one, two] = rowsOf<Ticket>('ticket', 'northwind').filter(row => row.customer === 'acme')
  const [foreign] = rowsOf<Ticket>('ticket', 'northwind').filter(row => row.customer === 'globex')
  const ids = [one?.id ?? '', two?.id ?? '']
  const mixed = await call('northwind', 'acme-helper', 'close_tickets', { ids: [...ids, foreign?.id ?? ''] })
  expect(mixed.reason).toBe('agent_lacks_permission')
  const closed = await call('northwind', 'acme-helper', 'close_tickets', { ids })
  expect(closed.value).toEqual({ closed: 2 })
  for (const id of ids) {
    const question = {
      organization: 'northwind',
      tool: 'close_tickets',
      verdict: 'permit',
      resource: `customer/acme/ticket/${id}`,
    } as const
    const found = async () => (await api.audit.calls(question)).items.map(({ arguments: args }) => args)
    await expect.poll(found).toContainEqual({ ids })
  }
})

test('a role that is taken away empties the next list', async () => {
  const { items } = await api.assignments.list({ organization: 'northwind', principal: 'agent:acme-helper' })
  expect((await call('northwind', 'acme-helper', 'list_tickets', {})).value.length).toBeGreaterThan(0)
  await api.assignments.remove({ organization: 'northwind', id: items[0]?.id ?? '' })
  await expect
    .poll(async () => (await call('northwind', 'acme-helper', 'list_tickets', {})).reason)
    .toBe('agent_lacks_permission')
  const { body } = await say(url, 'tools/list', {}, { token: tokens.get('northwind/acme-helper') ?? '' })
  expect(body.result.tools).toEqual([])
  expect((await call('contoso', 'acme-helper', 'list_tickets', {})).value.length).toBeGreaterThan(0)
})
