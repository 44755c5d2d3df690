import type { Change } from '@valetkey/sdk/core'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { loadCatalogue, loadOrganization } from '../../packages/server/src/directory/index.ts'
import { INVOICE_RULE, northwind, type Product, start } from './product.ts'

type Client = ReturnType<Product['client']>
type Step = (client: Client, n: number) => Promise<unknown>

/** What can be stopped for a while; everything comes most often. */
const FREEZABLE: Parameters<Client['freezes']['freeze']>[0][] = [
  { kind: 'all' },
  { kind: 'server', id: 'billing' },
  { kind: 'tool', id: 'billing/tool-1' },
  { kind: 'all' },
  { kind: 'token', id: 'token-1-of-many' },
  { kind: 'person', id: 'maya@northwind.test' },
]

/** All kinds of changes; some are refused in some states, which must leave nothing behind either. */
const STEPS: Step[] = [
  (c, n) => c.people.create({ email: `p${n}@northwind.test`, name: `P ${n}` }),
  c => c.people.update({ id: 'maya@northwind.test', status: 'suspended' }),
  c => c.people.update({ id: 'maya@northwind.test', status: 'active', name: 'Maya M.' }),
  (c, n) => c.agents.create({ name: `bot-${n}`, owner: 'maya@northwind.test', ceiling: ['invoices:read'] }),
  (c, n) => c.agents.update({ id: 'support-bot', ceiling: n % 2 ? ['invoices:*'] : [], purpose: `${n}` }),
  c => c.agents.suspend({ id: 'support-bot' }),
  c => c.agents.resume({ id: 'support-bot', reason: 'looked into' }),
  c => c.credentials.create({ agent: 'support-bot', kind: 'secret' }),
  c => c.revocations.create({ kind: 'agent', id: 'support-bot' }),
  (c, n) => c.revocations.create({ kind: 'token', id: `token-${n % 7}-of-many` }),
  async c => {
    const { items } = await c.credentials.list({ agent: 'support-bot' })
    await c.revocations.create({ kind: 'credential', id: items[0]?.id ?? '' })
  },
  c => c.assignments.create({ principal: 'support-bot', role: 'clerk' }),
  (c, n) =>
    c.assignments.create({
      principal: 'maya@northwind.test',
      role: 'clerk',
      expiresAt: new Date(Date.UTC(2030, 0, 1 + (n % 3))).toISOString(),
    }),
  async (c, n) => {
    const { items } = await c.assignments.list({})
    await c.assignments.remove({ id: items[n % Math.max(1, items.length)]?.id ?? '' })
  },
  c => c.organizations.freeze({ id: 'northwind' }),
  c => c.organizations.thaw({ id: 'northwind', reason: 'looked into' }),
  (c, n) => c.servers.create({ name: `server-${n}`, url: `https://s${n}.test/mcp` }),
  (c, n) => c.servers.update({ id: 'billing', mode: n % 2 ? 'audit' : 'enforce' }),
  c => c.servers.setUpstreamCredential({ id: 'billing', value: 'Bearer x' }),
  (c, n) => c.permissions.create({ slug: `things:p${n}` }),
  (c, n) => c.resourceTypes.create({ slug: `type-${n}` }),
  (c, n) => c.roles.create({ slug: `role-${n}`, permissions: ['invoices:read'] }),
  (c, n) => c.roles.update({ id: 'clerk', permissions: n % 2 ? [] : ['invoices:read'] }),
  (c, n) => c.tools.map({ server: 'billing', ...INVOICE_RULE, name: `tool-${n % 4}`, condition: `${n} > 3` }),
  (c, n) => c.tools.unmap({ server: 'billing', id: `tool-${n % 4}` }),
  (c, n) => c.freezes.freeze(FREEZABLE[n % FREEZABLE.length] ?? { kind: 'all' }),
  (c, n) =>
    c.freezes.thaw({ ...(FREEZABLE[n % FREEZABLE.length] ?? { kind: 'all' }), reason: 'looked into' }),
]

test('a snapshot and the changes after it give what a fresh load gives, wherever the snapshot was taken', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.nat(STEPS.length - 1), { minLength: 10, maxLength: 60 }),
      fc.nat(59),
      async (steps, at) => {
        await using product = await start()
        const { organization } = await northwind(product)
        const client = product.client()
        const load = async () => [
          await loadCatalogue(product.store.db),
          await loadOrganization(product.store.db, organization.id, product.now()),
        ]
        let snapshots = await load()
        for (const [n, step] of steps.entries()) {
          if (n === at) snapshots = await load()
          await STEPS[step]?.(client, n).catch(refusal => expect(refusal.status).toBeOneOf([400, 404, 409]))
        }
        const fresh = await load()
        for (const [index, snapshot] of snapshots.entries())
          expect(await replayed(product, snapshot)).toEqual(factsOf(fresh[index]))
      },
    ),
    { numRuns: 12 },
  )
}, 120_000)

test('whoever begins while everything is frozen begins frozen', async () => {
  await using product = await start()
  await product.client().freezes.freeze({ kind: 'all' })
  const frozen = { fact: 'environment', id: 'environment', value: { status: 'frozen' } }
  expect((await loadCatalogue(product.store.db)).ops).toContainEqual(frozen)
  await product.client().freezes.thaw({ kind: 'all', reason: 'looked into' })
  expect((await loadCatalogue(product.store.db)).ops).not.toContainEqual(frozen)
})

async function replayed(product: Product, snapshot: Change) {
  const facts = factsOf(snapshot)
  let revision = snapshot.revision
  const rows = await product.store.db
    .selectFrom('changeLog')
    .selectAll()
    .where('organizationId', '=', snapshot.organization)
    .where('revision', '>', snapshot.revision)
    .orderBy('revision')
    .orderBy('ord')
    .execute()
  for (const row of rows) {
    expect(row.revision - revision, 'gap between revisions').toBeLessThanOrEqual(1)
    revision = row.revision
    if (row.value === null) facts.delete(`${row.fact} ${row.factId}`)
    else facts.set(`${row.fact} ${row.factId}`, JSON.parse(row.value))
  }
  return facts.set('revision', revision)
}

function factsOf(change: Change | undefined): Map<string, unknown> {
  const ops: { fact: string; id: string; value: unknown }[] = change?.ops ?? []
  const facts = new Map<string, unknown>(ops.map(({ fact, id, value }) => [`${fact} ${id}`, value]))
  return facts.set('revision', change?.revision)
}
