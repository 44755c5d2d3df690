import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { CATALOGUE, type Change, type JsonObject } from '@valetkey/sdk/core'
import { expect, test } from 'vitest'
import { loadCatalogue, loadOrganization } from '../../packages/server/src/directory/index.ts'
import { parsePolicy } from '../../packages/server/src/policy/index.ts'
import { type Product, start } from './product.ts'

const FOLDER = join(import.meta.dirname, '../../examples/policy')

/** The policy that ships as the example, read as the command line reads it. */
function examplePolicy(): JsonObject {
  const names = readdirSync(FOLDER, { recursive: true, encoding: 'utf8' }).filter(name =>
    name.endsWith('.yaml'),
  )
  const files = names.map(name => ({ name, text: readFileSync(join(FOLDER, name), 'utf8') }))
  return parsePolicy(files).policy as JsonObject
}

async function revisions({ store }: Product): Promise<Record<string, number>> {
  const rows = await store.db.selectFrom('organization').select(['slug', 'revision']).execute()
  return Object.fromEntries(rows.map(row => [row.slug, row.revision]))
}

interface Op {
  fact: string
  id: string
  value: unknown
}

const opsOf = (changes: readonly Change[]) => changes.flatMap((change): readonly Op[] => change.ops)

/** Resources travel in blocks, which a change cuts otherwise than a load: here each stands for itself. */
function oneByOne(op: Op): Op[] {
  if (op.fact !== 'resource' || op.value === null) return [op]
  const { type, rows } = op.value as { type: string; rows: [number, string, number | null][] }
  return rows.map(row => ({ fact: op.fact, id: String(row[0]), value: { type, rows: [row] } }))
}

const signs = ({ changes }: { changes: { sign: string; kind: string; name: string; detail: string }[] }) =>
  changes.map(({ sign, kind, name, detail }) => `${sign} ${kind} ${name}: ${detail}`)

test('200: the example becomes so in one revision of the catalogue and one of the organization', async () => {
  await using product = await start()
  const admin = product.client()
  await admin.organizations.create({ slug: 'northwind', name: 'Northwind' })
  const before = await revisions(product)
  const { changes, applied } = await admin.policy.apply({ policy: examplePolicy() })
  expect(applied).toBe(true)
  expect(changes.every(change => change.sign === '+')).toBe(true)
  expect(await revisions(product)).toEqual({
    [CATALOGUE]: (before[CATALOGUE] ?? 0) + 1,
    northwind: (before['northwind'] ?? 0) + 1,
  })
  await admin.resources.put({ type: 'customer', id: 'acme', name: 'Acme' })
  await admin.resources.put({ type: 'invoice', id: 'INV-1', parent: 'customer/acme' })
  for (const agent of ['support-bot', 'billing-analyst'])
    await admin.credentials.create({ agent, kind: 'secret' })
  const check = (name: string, args: JsonObject, agent = 'support-bot') =>
    admin.decisions.check({ agent, server: 'billing', name, arguments: args })
  const refund = { customer: 'acme', id: 'INV-1', amount: 250 }
  expect(await check('get_invoice', { customer: 'acme', id: 'INV-1' })).toMatchObject({ decision: 'permit' })
  expect(await check('refund_invoice', refund)).toMatchObject({ decision: 'deny' })
  expect(await check('refund_invoice', refund, 'billing-analyst')).toMatchObject({
    reason: 'condition_failed',
  })
  expect(await check('refund_invoice', { ...refund, amount: 25 }, 'billing-analyst')).toMatchObject({
    decision: 'permit',
  })
})

test('200: applied twice it changes nothing', async () => {
  await using product = await start()
  const admin = product.client()
  await admin.organizations.create({ slug: 'northwind', name: 'Northwind' })
  await admin.policy.apply({ policy: examplePolicy() })
  const after = await revisions(product)
  expect(await admin.policy.apply({ policy: examplePolicy() })).toEqual({ changes: [], applied: true })
  expect(await revisions(product)).toEqual(after)
})

test('200: who followed the one revision holds what a fresh load gives', async () => {
  await using product = await start()
  const admin = product.client()
  const { id } = await admin.organizations.create({ slug: 'northwind', name: 'Northwind' })
  const load = async () =>
    product.store.read(async db => [await loadCatalogue(db), await loadOrganization(db, id, product.now())])
  const held = new Map<string, unknown>()
  const before = await load()
  const hold = (op: Op) => {
    for (const { fact, id: own, value } of oneByOne(op)) held.set(`${fact} ${own}`, value)
  }
  for (const op of opsOf(before)) hold(op)
  await admin.policy.apply({ policy: examplePolicy() })
  const rows = await product.store.db
    .selectFrom('changeLog')
    .selectAll()
    .orderBy('revision')
    .orderBy('ord')
    .execute()
  const known = new Map(before.map(change => [change.organization as string, change.revision]))
  for (const row of rows.filter(
    ({ organizationId, revision }) => revision > (known.get(organizationId) ?? 0),
  ))
    hold({
      fact: row.fact,
      id: row.factId,
      value: row.value === null ? null : JSON.parse(row.value),
    })
  const fresh = opsOf(await load())
    .flatMap(oneByOne)
    .map(op => [`${op.fact} ${op.id}`, op.value] as const)
  expect(held).toEqual(new Map(fresh))
})

test('200: a dry run says the same changes and makes none of them', async () => {
  await using product = await start()
  const admin = product.client()
  await admin.organizations.create({ slug: 'northwind', name: 'Northwind' })
  const before = await revisions(product)
  const dry = await admin.policy.apply({ policy: examplePolicy(), dryRun: true })
  expect(dry.applied).toBe(false)
  expect(await revisions(product)).toEqual(before)
  expect((await admin.servers.list({})).items).toEqual([])
  expect((await admin.policy.apply({ policy: examplePolicy() })).changes).toEqual(dry.changes)
})

test('200: what a policy names becomes exactly so, and what it does not name stays', async () => {
  await using product = await start()
  const admin = product.client()
  await admin.organizations.create({ slug: 'northwind', name: 'Northwind' })
  await admin.policy.apply({ policy: examplePolicy() })
  const policy = {
    version: 1,
    permissions: { 'invoices:refund': { risk: 'write' } },
    roles: { 'support-agent': { permissions: ['tickets:read'] } },
    servers: {
      billing: { mode: 'audit', prompts: { dunning_letter: { needs: 'invoices:refund', risk: 'read' } } },
    },
    people: { 'Maya@northwind.dev': { name: 'Maya Lind' } },
    agents: { 'support-bot': { owner: 'jon@northwind.dev', roles: ['billing-clerk'] } },
  }
  expect(signs(await admin.policy.apply({ policy }))).toEqual([
    '~ permission invoices:refund: risk dangerous -> write',
    '~ role support-agent: -invoices:read -tickets:write',
    '~ server billing: mode enforce -> audit',
    '~ prompt billing.dunning_letter: needs invoices:read -> invoices:refund',
    '- method billing.logging/setLevel: refused from now on',
    '- resource billing.billing://invoices/*: refused from now on',
    '- resource billing.billing://rates: refused from now on',
    '- tool billing.get_invoice: refused from now on',
    '- tool billing.refund_invoice: refused from now on',
    '~ person Maya@northwind.dev: name Maya Lindqvist -> Maya Lind',
    '~ agent support-bot: owner maya@northwind.dev -> jon@northwind.dev',
    '+ assignment support-bot: role billing-clerk',
    '- assignment support-bot: role support-agent',
  ])
  expect((await admin.roles.get({ id: 'billing-clerk' })).permissions).toEqual([
    'invoices:read',
    'invoices:refund',
  ])
  expect((await admin.agents.get({ id: 'support-bot' })).ceiling).toEqual(['invoices:read', 'tickets:*'])
})

test.each([
  [
    'a permission nobody made',
    { roles: { r: { permissions: ['invoices:raed'] } } },
    'roles.r.permissions.0',
    /Did you mean "invoices:read"/,
  ],
  [
    'a role nobody made',
    { agents: { a: { owner: 'jon@northwind.dev', roles: ['clerk'] } } },
    'agents.a.roles.0',
    /no role "clerk"/,
  ],
  [
    'an owner nobody knows',
    { agents: { a: { owner: 'eve@northwind.dev' } } },
    'agents.a.owner',
    /eve@northwind.dev/,
  ],
  [
    'a tool without a definition',
    { servers: { billing: { tools: { t: { needs: 'invoices:read' } } } } },
    'servers.billing.tools.t.definition',
    /server scan/,
  ],
  [
    'a condition that is not CEL',
    { servers: { billing: { prompts: { p: { needs: 'invoices:read', when: 'args.' } } } } },
    'servers.billing.prompts.p.when',
    /CEL/,
  ],
  ['a new server without a URL', { servers: { crm: {} } }, 'servers.crm', /public URL/],
  ['an organization nobody made', { organization: 'contoso' }, 'organization', /contoso/],
  ['an unknown key', { serverz: {} }, 'serverz', /Did you mean "servers"/],
  [
    'a circle of types',
    { resourceTypes: { a: { parents: ['b'] }, b: { parents: ['a'] } } },
    'resourceTypes.a.parents',
    /below it/,
  ],
])('422: %s is a fault at its place, and nothing is applied', async (_, part, path, message) => {
  await using product = await start()
  const admin = product.client()
  await admin.organizations.create({ slug: 'northwind', name: 'Northwind' })
  await admin.policy.apply({ policy: examplePolicy() })
  const before = await revisions(product)
  const policy = { version: 1, permissions: { 'x:new': {} }, ...part } as JsonObject
  await expect(admin.policy.apply({ policy })).rejects.toMatchObject({
    status: 422,
    code: 'policy.invalid',
    path,
    message: expect.stringMatching(message),
  })
  expect(await revisions(product)).toEqual(before)
})

test('403: reading is not enough', async () => {
  await using product = await start()
  await expect(product.client('role:read').policy.apply({ policy: { version: 1 } })).rejects.toMatchObject({
    status: 403,
    code: 'permission.denied',
  })
})

test('200: a server may call for others exactly those that its policy names, also one that comes further down', async () => {
  await using product = await start()
  const admin = product.client()
  const policy = (forwards: string[] | undefined): JsonObject => ({
    version: 1,
    servers: {
      reports: { url: 'https://reports.test/mcp', ...(forwards && { forwards }) },
      billing: { url: 'https://billing.test/mcp' },
      crm: { url: 'https://crm.test/mcp' },
    },
  })
  const apply = async (forwards?: string[]) => {
    const { changes } = await admin.policy.apply({ policy: policy(forwards) })
    return changes.filter(({ kind }) => kind === 'forward').map(({ sign, name }) => `${sign} ${name}`)
  }
  expect(await apply(['billing'])).toEqual(['+ reports -> billing'])
  expect(await apply(['billing'])).toEqual([])
  expect(await apply()).toEqual([])
  expect(await apply(['crm'])).toEqual(['+ reports -> crm', '- reports -> billing'])
  expect(await apply([])).toEqual(['- reports -> crm'])
  await expect(apply(['nobody'])).rejects.toMatchObject({
    ...{ code: 'policy.invalid', path: 'servers.reports.forwards.0' },
  })
  await expect(apply(['reports'])).rejects.toMatchObject({ code: 'policy.invalid' })
})
