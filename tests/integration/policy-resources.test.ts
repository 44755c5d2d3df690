import type { JsonObject } from '@valetkey/sdk/core'
import { expect, test } from 'vitest'
import { PolicyError, parsePolicy } from '../../packages/server/src/policy/index.ts'
import { type Product, start } from './product.ts'

const POLICY = `
version: 1
organization: northwind
people:
  maya@northwind.dev: { name: Maya }
agents:
  support-bot: { owner: maya@northwind.dev, roles: [watcher] }
services:
  nightly:
resourceTypes:
  customer: {}
  invoice: { parents: [customer] }
  file: { instances: open, parents: [customer] }
permissions:
  invoices:read: { type: invoice, risk: read, condition: context.hour < 18 }
  files:read: { type: file, risk: read }
roles:
  watcher: { permissions: [invoices:read] }
  customer-reader: { type: customer, permissions: [invoices:read, files:read], organization: true }
groups:
  finance: { title: Finance, members: ['user:maya@northwind.dev', 'service:nightly', 'group:clerks'] }
  clerks:
resources:
  invoice/INV-1: { parent: customer/acme }
  customer/acme: { name: Acme }
assignments:
  - { to: 'agent:support-bot', role: customer-reader, on: customer/acme }
  - { to: 'group:finance', role: customer-reader, on: customer/acme, until: 2027-06-30 }
  - { to: support-bot, role: watcher }
servers:
  billing:
    url: https://billing.test/mcp
    methods:
      x/read: { needs: invoices:read, resource: 'customer/{args.customer}/invoice/{args.id}' }
      x/file: { needs: files:read, resource: 'customer/{args.customer}/file/{args.path}' }
`

async function startNorthwind() {
  const product = await start()
  await product.client().organizations.create({ slug: 'northwind', name: 'Northwind' })
  return product
}

function apply(product: Product, text: string) {
  const { policy } = parsePolicy([{ name: 'policy.yaml', text }])
  return product.client().policy.apply({ policy: policy as JsonObject })
}

test('200: resources, groups, services and assignments become so, and a second time nothing is left to do', async () => {
  await using product = await startNorthwind()
  const admin = product.client()
  const { changes } = await apply(product, POLICY)
  const said = changes.map(({ sign, kind, name, detail }) => `${sign} ${kind} ${name}: ${detail}`)
  for (const line of [
    '+ resource type file: below customer, open',
    '+ own role customer-reader: +invoices:read +files:read',
    '+ resource customer/acme: below organization/northwind',
    '+ resource invoice/INV-1: below customer/acme',
    '~ group finance: +user:maya@northwind.dev +service:nightly +group:clerks',
    '+ assignment agent:support-bot customer-reader on customer/acme: without an end',
    '+ assignment group:finance customer-reader on customer/acme: until 2027-06-30T00:00:00.000Z',
  ])
    expect(said).toContain(line)
  const heads = () => product.store.db.selectFrom('organization').select(['id', 'revision']).execute()
  const before = await heads()
  expect((await apply(product, POLICY)).changes).toEqual([])
  expect(await heads()).toEqual(before)
  expect((await admin.resources.get({ resource: 'invoice/INV-1' })).path).toBe('customer/acme/invoice/INV-1')
  expect((await admin.roles.list({})).items.map(({ slug }) => slug)).toEqual(['watcher'])
})

test('200: a resource is renamed and moved, members change, and a time that has passed takes the role away', async () => {
  await using product = await startNorthwind()
  await apply(product, POLICY)
  const changed = POLICY.replace('customer/acme }', 'customer/globex }')
    .replace('name: Acme }', 'name: Acme Ltd }\n  customer/globex:')
    .replace("'user:maya@northwind.dev', 'service:nightly', ", '')
  const { changes } = await apply(product, changed)
  expect(changes.map(({ sign, kind, name, detail }) => `${sign} ${kind} ${name}: ${detail}`)).toEqual([
    '~ group finance: -service:nightly -user:maya@northwind.dev',
    '~ resource customer/acme: name Acme -> Acme Ltd',
    '+ resource customer/globex: below organization/northwind',
    '~ resource invoice/INV-1: parent customer/acme -> customer/globex',
  ])
  product.passTime(Date.parse('2027-07-01T00:00:00Z') - product.now())
  expect((await apply(product, changed)).changes).toEqual([
    expect.objectContaining({ sign: '-', name: 'group:finance customer-reader on customer/acme' }),
  ])
  expect((await apply(product, changed)).changes).toEqual([])
})

test.each([
  [
    'invoice: { parents: [costumer] }',
    'invoice: { parents: [customer] }',
    'resourceTypes.invoice.parents.0',
    /Did you mean "customer"/,
  ],
  [
    'type: custmer,',
    'type: customer,',
    'roles.customer-reader.type',
    /There is no resource type "custmer". Did you mean "customer"/,
  ],
  [
    "'customer/{args.customer}/invoce/{args.id}'",
    "'customer/{args.customer}/invoice/{args.id}'",
    'servers.billing.methods.x/read.resource',
    /Did you mean "invoice"/,
  ],
  [
    "'invoice/{args.id}/customer/{args.c}'",
    "'customer/{args.customer}/invoice/{args.id}'",
    'servers.billing.methods.x/read.resource',
    /never lies below/,
  ],
  [
    "'customer/{args.c}'",
    "'customer/{args.customer}/invoice/{args.id}'",
    'servers.billing.methods.x/read.resource',
    /nobody can hold it/,
  ],
  ["'agent:suport-bot'", "'agent:support-bot'", 'assignments.0.to', /Did you mean "agent:support-bot"/],
  [
    'role: customer-raeder, on: customer/acme }',
    'role: customer-reader, on: customer/acme }',
    'assignments.0.role',
    /Did you mean "customer-reader"/,
  ],
  ['on: customer/acne }', 'on: customer/acme }', 'assignments.0', /No resource "customer\/acne"/],
  ["'group:clarks'", "'group:clerks'", 'groups.finance.members.2', /Did you mean "group:clerks"/],
  ['parent: invoice/INV-1 }', 'parent: customer/acme }', 'resources.invoice/INV-1.parent', /below itself/],
  [
    'parent: organization/northwind }',
    'parent: customer/acme }',
    'resources.invoice/INV-1.parent',
    /directly below customer/,
  ],
  [
    'condition: context.hour < }',
    'condition: context.hour < 18 }',
    'permissions.invoices:read.condition',
    /not valid CEL/,
  ],
  [
    'type: file, permissions: [files:read],',
    'type: customer, permissions: [invoices:read, files:read],',
    'roles.customer-reader.type',
    /could never be given/,
  ],
])('422: a fault is found where it is written: %s', async (wrong, right, path, sentence) => {
  await using product = await startNorthwind()
  const text = POLICY.replace(right, wrong)
  expect(text).not.toBe(POLICY)
  const fault = await apply(product, text).catch((error: unknown) => error)
  expect(fault).toMatchObject({ status: 422, code: 'policy.invalid', path })
  expect((fault as Error).message).toMatch(sentence)
  expect((await product.client().permissions.list({})).items).toEqual([])
})

test('422: unknown keys and times that are none are told with file and line', () => {
  const text = 'version: 1\nassignments:\n  - { to: a, rol: b }\n  - { to: a, role: b, until: soon }\n'
  const refused = () => parsePolicy([{ name: 'p.yaml', text }])
  expect(refused).toThrow(PolicyError)
  expect(refused).toThrow(/p.yaml:3:\d+: Unknown key "rol". Did you mean "role"/)
  expect(refused).toThrow(/p.yaml:4:\d+: Write a time as/)
})

test('the assignments of several files follow each other, and faults lead back to their own line', () => {
  const one = { name: 'one.yaml', text: 'version: 1\nassignments:\n  - { to: a, role: b }\n' }
  const two = { name: 'two.yaml', text: 'version: 1\nassignments:\n  - { to: c, role: d }\n' }
  const { policy, locate } = parsePolicy([one, two])
  expect(policy['assignments']).toHaveLength(2)
  expect(locate('assignments.0.role')).toMatch(/^one.yaml:3:/)
  expect(locate('assignments.1.role')).toMatch(/^two.yaml:3:/)
})
