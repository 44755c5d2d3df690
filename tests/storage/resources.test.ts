import { type Change, OrganizationOp, type ResourceRow } from '@valetkey/sdk/core'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { loadOrganization } from '../../packages/server/src/directory/index.ts'
import { northwind, type Product, start } from '../integration/product.ts'
import { describeOnBoth, MASTER_KEY } from './databases.ts'

const HERE = { organization: 'northwind' }

describeOnBoth('resources', (_open, place) => {
  async function startTree() {
    const product = await start({ url: await place.newUrl(), masterKey: MASTER_KEY })
    const admin = product.client()
    const { organization } = await northwind(product)
    await admin.resourceTypes.create({ slug: 'customer' })
    await admin.resourceTypes.create({ slug: 'folder', parents: ['customer'] })
    await admin.resourceTypes.create({ slug: 'bill', parents: ['customer', 'folder'] })
    await admin.permissions.create({ slug: 'bills:read', type: 'bill' })
    await admin.roles.create({ slug: 'reader', type: 'customer', permissions: ['bills:read'] })
    return Object.assign(product, { admin, id: organization.id })
  }

  test('what is made at once gets numbers of its own, and an id that is taken at once is taken once', async () => {
    await using product = await startTree()
    const { admin } = product
    await Promise.all(
      Array.from({ length: 12 }, (_, n) =>
        admin.resources.put({ ...HERE, type: 'customer', id: n % 2 ? 'same' : `c${n}` }),
      ),
    )
    const rows = await product.store.db
      .selectFrom('resource')
      .select('seq')
      .where('organizationId', '=', product.id)
      .orderBy('seq')
      .execute()
    expect(rows.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5, 6, 7, 8])
  })

  test('an import of many rows with broken ones leaves what it reports, and a fresh load shows it', async () => {
    await using product = await startTree()
    const { admin } = product
    const rows = Array.from({ length: 2000 }, (_, n) => {
      if (n % 97 === 5) return { type: 'bill', id: `broken\u0007${n}`, parent: 'customer/c0' }
      if (n % 100 === 0) return { type: 'customer', id: `c${n}` }
      return { type: 'bill', id: `b${(n * 7919) % 10_007}`, parent: `customer/c${n - (n % 100)}` }
    })
    const answer = await admin.resources.import({ ...HERE, rows })
    const broken = rows.filter(({ id }) => id.startsWith('broken')).length
    expect(answer.rejected).toHaveLength(broken)
    expect(answer).toMatchObject({ created: 2000 - broken, changed: 0, unchanged: 0 })
    const { ops } = await loadOrganization(product.store.db, product.id, product.now())
    expect(rowsOf(ops).size).toBe(2000 - broken + 1)
  })

  test('a subtree goes whole, with the roles that were given in it, and nothing beside it', async () => {
    await using product = await startTree()
    const { admin } = product
    const put = (type: string, id: string, parent?: string) =>
      admin.resources.put({ ...HERE, type, id, ...(parent && { parent }) })
    for (const customer of ['acme', 'globex']) {
      await put('customer', customer)
      await put('folder', customer, `customer/${customer}`)
      for (let n = 0; n < 5; n++) await put('bill', `${customer}-${n}`, `folder/${customer}`)
      await admin.assignments.create({
        ...{ ...HERE, principal: 'support-bot', role: 'reader', resource: `customer/${customer}` },
      })
    }
    const gone = await admin.resources.remove({ ...HERE, resource: 'customer/acme', cascade: 'true' })
    expect(gone.removed).toBe(7)
    expect((await admin.resources.list(HERE)).items).toHaveLength(8)
    const { items } = await admin.assignments.list({ ...HERE, role: 'reader' })
    expect(items.map(({ resource }) => resource)).toEqual(['customer/globex'])
  })

  test('a snapshot and the changes after it give what a fresh load gives, wherever it was taken', async () => {
    const runs = place.kind === 'memory' ? 8 : 3
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat(STEPS.length - 1), { minLength: 15, maxLength: 40 }),
        fc.nat(30),
        async (steps, at) => {
          await using product = await startTree()
          const load = () => loadOrganization(product.store.db, product.id, product.now())
          let snapshot = await load()
          for (const [n, step] of steps.entries()) {
            if (n === at) snapshot = await load()
            await STEPS[step]?.(product.admin, n).catch(refusal =>
              expect(refusal.status).toBeOneOf([400, 404, 409, 422]),
            )
          }
          expect(await replayed(product, snapshot)).toEqual(factsOf(await load()))
        },
      ),
      { numRuns: runs },
    )
  }, 120_000)
})

type Client = ReturnType<Product['client']>
type Step = (client: Client, n: number) => Promise<unknown>

const customer = (n: number) => `customer/c${n % 4}`
/** Every kind of change to resources, groups, grants and what is given on them; some are refused. */
const STEPS: Step[] = [
  (c, n) => c.resources.put({ ...HERE, type: 'customer', id: `c${n % 4}`, name: `${n % 3}` }),
  (c, n) => c.resources.put({ ...HERE, type: 'customer', id: `c${(n + 1) % 4}` }),
  (c, n) => c.resources.put({ ...HERE, type: 'folder', id: `f${n % 3}`, parent: customer(n) }),
  (c, n) => c.resources.put({ ...HERE, type: 'bill', id: `b${n % 5}`, parent: customer(n + 1) }),
  (c, n) => c.resources.put({ ...HERE, type: 'bill', id: `b${n % 5}`, parent: `folder/f${n % 3}` }),
  (c, n) => c.resources.move({ ...HERE, resource: `folder/f${n % 3}`, parent: customer(n + 2) }),
  (c, n) => c.resources.move({ ...HERE, resource: `bill/b${n % 5}`, parent: `folder/f${n % 3}` }),
  (c, n) => c.resources.remove({ ...HERE, resource: customer(n), cascade: n % 2 ? 'true' : 'false' }),
  (c, n) => c.resources.remove({ ...HERE, resource: `folder/f${n % 3}`, cascade: 'true' }),
  (c, n) =>
    c.resources.import({
      ...HERE,
      rows: [
        { type: 'bill', id: `i${n}`, parent: `folder/i${n % 6}` },
        { type: 'customer', id: `c${n % 4}`, name: 'imported' },
        { type: 'folder', id: `i${n % 6}`, parent: customer(n) },
        { type: 'bill', id: `b${n % 5}`, parent: `folder/i${n % 6}` },
      ],
    }),
  (c, n) =>
    c.assignments.create({ ...HERE, principal: 'support-bot', role: 'reader', resource: customer(n) }),
  (c, n) => c.assignments.create({ ...HERE, principal: 'group:g1', role: 'reader', resource: customer(n) }),
  (c, n) => c.assignments.clear({ ...HERE, resource: customer(n) }),
  c => c.assignments.clear({ ...HERE, principal: 'group:g1' }),
  (c, n) => c.groups.create({ ...HERE, name: `g${n % 3}` }),
  (c, n) => c.groups.add({ ...HERE, group: `g${n % 3}`, member: 'support-bot' }),
  (c, n) => c.groups.add({ ...HERE, group: `g${n % 3}`, member: `group:g${(n + 1) % 3}` }),
  (c, n) => c.groups.drop({ ...HERE, group: `g${n % 3}`, member: 'support-bot' }),
  (c, n) => c.groups.remove({ ...HERE, group: `g${n % 3}` }),
  c => c.services.create({ ...HERE, name: 'nightly' }),
  (c, n) => c.services.update({ ...HERE, service: 'nightly', status: n % 2 ? 'suspended' : 'active' }),
  c => c.agents.update({ ...HERE, id: 'support-bot', kind: 'both' }),
  (c, n) =>
    c.grants.create({
      ...{ ...HERE, agent: 'support-bot', person: 'maya@northwind.test', scopes: ['bills:read'] },
      resources: n % 2 ? [customer(n)] : [],
    }),
  async (c, n) => {
    const { items } = await c.grants.list(HERE)
    await c.grants.revoke({ id: items[n % Math.max(1, items.length)]?.id ?? '' })
  },
  (c, n) =>
    c.roles.create({ ...HERE, slug: 'reader', type: 'customer', permissions: n % 2 ? [] : ['bills:read'] }),
  (c, n) => c.roles.update({ ...HERE, id: 'reader', permissions: n % 2 ? [] : ['bills:read'] }),
]

type Facts = Map<string, unknown>

/** By kind and id; of resources one by one, since the facts of a change and of a load hold them in other bundles. */
function factsOf(change: Change): Facts {
  const facts: Facts = new Map([['revision', change.revision]])
  for (const op of change.ops as OrganizationOp[]) applyOp(facts, op)
  return sorted(facts)
}

async function replayed(product: Product, snapshot: Change): Promise<Facts> {
  const facts = new Map(factsOf(snapshot))
  const rows = await product.store.db
    .selectFrom('changeLog')
    .selectAll()
    .where('organizationId', '=', snapshot.organization)
    .where('revision', '>', snapshot.revision)
    .orderBy('revision')
    .orderBy('ord')
    .execute()
  for (const { fact, factId: id, value, revision } of rows) {
    applyOp(facts, { fact, id, value: value === null ? null : JSON.parse(value) } as OrganizationOp)
    facts.set('revision', revision)
  }
  return sorted(facts)
}

function sorted(facts: Facts): Facts {
  return new Map([...facts].sort(([a], [b]) => (a < b ? -1 : 1)))
}

function applyOp(facts: Facts, op: OrganizationOp): void {
  if (op.fact !== 'resource') {
    const key = `${op.fact} ${op.id}`
    if (op.value === null) facts.delete(key)
    else facts.set(key, OrganizationOp.parse(op).value)
    return
  }
  if (op.value === null) {
    removeSubtree(facts, Number(op.id))
    return
  }
  expect(op.id, 'goes by its first number').toBe(String(op.value.rows[0]?.[0]))
  for (const [seq, externalId, parent] of op.value.rows) {
    if (parent !== null) expect(facts.has(`resource ${parent}`), 'parents come first').toBe(true)
    facts.set(`resource ${seq}`, { type: op.value.type, externalId, parent })
  }
}

function removeSubtree(facts: Facts, seq: number): void {
  facts.delete(`resource ${seq}`)
  for (const [key, value] of [...facts]) {
    if (key.startsWith('assignment ') && (value as { resource: number }).resource === seq) facts.delete(key)
    if (key.startsWith('resource ') && (value as { parent: number | null }).parent === seq)
      removeSubtree(facts, Number(key.slice(9)))
  }
}

function rowsOf(ops: readonly OrganizationOp[]): Map<number, ResourceRow> {
  const rows = new Map<number, ResourceRow>()
  for (const op of ops)
    if (op.fact === 'resource' && op.value) for (const row of op.value.rows) rows.set(row[0], row)
  return rows
}
