import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { startFixture } from '../conformance/fixture/index.ts'
import { ISSUER, type Product, start } from './product.ts'
import { openTerminal } from './terminal.ts'

const EXAMPLE = join(import.meta.dirname, '../../examples/policy')
const TERMINAL = { isTerminal: true, columns: 160 }

async function startNorthwind() {
  const product = await start()
  await product.client().organizations.create({ slug: 'northwind', name: 'Northwind' })
  return product
}

async function openWithExample(product: Product) {
  const terminal = await openTerminal(product)
  cpSync(EXAMPLE, join(terminal.directory, 'policy'), { recursive: true })
  return terminal
}

test('apply says what changes with + ~ -, a dry run changes nothing, and a second time nothing is left', async () => {
  await using product = await startNorthwind()
  await using terminal = await openWithExample(product)
  const dry = await terminal.valetkey(['apply', '-f', 'policy', '--dry-run', '--color', 'never'], TERMINAL)
  expect(dry).toMatchObject({ code: 0, err: '' })
  expect(dry.out).toMatchInlineSnapshot(`
    "   KIND           NAME                          CHANGE
    +  resource type  customer                      below organization
    +  resource type  invoice                       below customer
    +  permission     tickets:read                  read
    +  permission     tickets:write                 write
    +  permission     invoices:read                 read
    +  permission     invoices:refund               dangerous
    +  role           support-agent                 +tickets:read +tickets:write +invoices:read
    +  role           billing-clerk                 +invoices:read +invoices:refund
    +  server         billing                       https://mcp.northwind.dev/billing, enforce
    +  tool           billing.get_invoice           needs invoices:read
    +  tool           billing.refund_invoice        needs invoices:refund
    +  resource       billing.billing://rates       needs invoices:read
    +  resource       billing.billing://invoices/*  needs invoices:read
    +  prompt         billing.dunning_letter        needs invoices:read
    +  method         billing.logging/setLevel      needs invoices:read
    +  person         maya@northwind.dev            Maya Lindqvist
    +  person         jon@northwind.dev             Jon Okafor
    +  agent          support-bot                   owner maya@northwind.dev
    +  assignment     support-bot                   role support-agent
    +  agent          billing-analyst               owner jon@northwind.dev
    +  assignment     billing-analyst               role billing-clerk
    +  resource       customer/acme                 below organization/northwind
    +  resource       customer/globex               below organization/northwind
    +  resource       invoice/INV-1                 below customer/acme
    Dry run: 24 to add, 0 to change, 0 to remove.

    What would change about who reaches what:

       WHO                    MAY              ON, AND BELOW
    +  agent:support-bot      invoices:read    organization/northwind
    +  agent:support-bot      tickets:read     organization/northwind
    +  agent:support-bot      tickets:write    organization/northwind
    +  agent:billing-analyst  invoices:read    organization/northwind
    +  agent:billing-analyst  invoices:refund  organization/northwind
    "
  `)
  expect((await product.client().servers.list({})).items).toEqual([])
  const done = await terminal.valetkey(['apply', '-f', 'policy'], TERMINAL)
  expect(done.out).toContain('Applied: 24 added, 0 changed, 0 removed.')
  const again = await terminal.valetkey(['apply', '-f', 'policy'], TERMINAL)
  expect(again.out).toBe('Nothing to change: the policy stands as it is written.\n')
  const json = await terminal.valetkey(['apply', '-f', 'policy', '--json'])
  expect(JSON.parse(json.out)).toEqual({
    apiVersion: 'v1',
    kind: 'PolicyChangeList',
    applied: true,
    items: [],
  })
})

test('a fault that only the authority can see still names file, line and column', async () => {
  await using product = await startNorthwind()
  await using terminal = await openWithExample(product)
  const file = join(terminal.directory, 'policy/servers/billing.yaml')
  const good = readFileSync(file, 'utf8')
  writeFileSync(file, good.replace('needs: invoices:refund', 'needs: invoices:refnud'))
  const unknown = await terminal.valetkey(['apply', '-f', 'policy'])
  expect(unknown).toMatchObject({ code: 7, out: '' })
  expect(unknown.err).toBe(
    'error: policy/servers/billing.yaml:21:16: There is no permission "invoices:refnud". Did you mean "invoices:refund"? (servers.billing.tools.refund_invoice.needs)\n' +
      '  why: A policy names things that do not exist or contradict each other.\n' +
      '  fix: Correct the line named above, then apply again. Nothing was changed. [policy.invalid]\n',
  )
  writeFileSync(file, good.replace('args.amount <= 100', 'args.amount <='))
  const broken = await terminal.valetkey(['apply', '-f', 'policy'])
  expect(broken.err).toContain(
    'policy/servers/billing.yaml:24:15: The condition is not valid CEL: Unexpected token: EOF (servers.',
  )
  writeFileSync(file, good.replace('    mode: enforce', '    mode: enforced'))
  const format = await terminal.valetkey(['apply', '-f', 'policy'])
  expect(format.err).toContain(
    'policy/servers/billing.yaml:7:11: "enforced" is not one of enforce, audit, observe.',
  )
  expect((await terminal.valetkey(['apply', '-f', 'nowhere'])).code).toBe(2)
})

test('a scan of a server in both eras proposes a policy that applies as it is', async () => {
  await using product = await startNorthwind()
  await using terminal = await openTerminal(product)
  await using fixture = await startFixture()
  const scan = ['server', 'scan', 'fixture', '--url', fixture.url]
  const first = await terminal.valetkey([
    ...scan,
    '--public-url',
    'https://mcp.test/fixture',
    '--write',
    'fixture/offer.yaml',
  ])
  expect(first.code).toBe(0)
  expect(first.err).toContain(
    '! fixture is not registered; the policy registers it as https://mcp.test/fixture.',
  )
  const policy = readFileSync(join(terminal.directory, 'fixture/offer.yaml'), 'utf8')
  for (const name of [
    'test_simple_text',
    'test://static-text',
    'test://template/*',
    'test_simple_prompt',
    'logging/setLevel',
  ])
    expect(policy).toContain(`${name}:`)
  expect((await terminal.valetkey(['apply', '-f', 'fixture'])).code).toBe(0)
  const { items } = await product.client().tools.list({ server: 'fixture', limit: 200 })
  expect(items.filter(({ kind }) => kind === 'tool').every(({ definition }) => definition !== null)).toBe(
    true,
  )

  const second = await terminal.valetkey(scan)
  expect(second.out).toBe(policy)
  expect(second.err).toContain('; 0 differ from the map in force.')
  await product.client().tools.unmap({ server: 'fixture', id: 'test_simple_text' })
  const drifted = await terminal.valetkey([...scan, '--json'])
  expect(JSON.parse(drifted.out)).toMatchObject({
    kind: 'Scan',
    item: { server: 'fixture', drift: [{ change: 'new', kind: 'tool', name: 'test_simple_text' }] },
  })
})

test('a scan says when the server does not answer, is no MCP server, or was never seen', async () => {
  await using product = await startNorthwind()
  await product.client().servers.create({ name: 'billing', url: 'https://mcp.test/billing' })
  await using terminal = await openTerminal(product)
  const scan = (...more: string[]) => terminal.valetkey(['server', 'scan', 'billing', ...more])
  expect((await scan('--url', 'http://127.0.0.1:1/mcp')).code).toBe(6)
  expect((await scan('--url', `${ISSUER}/api/whoami`)).code).toBe(6)
  expect((await scan()).err).toContain('No guard or gateway has reported its lists yet.')
})

test('a tool is mapped with the definition that was seen, and unmapped by name', async () => {
  await using product = await startNorthwind()
  const admin = product.client()
  const server = await admin.servers.create({ name: 'billing', url: 'https://mcp.test/billing' })
  await admin.permissions.create({ slug: 'invoices:read', risk: 'read' })
  const definition = `sha256-${'c'.repeat(43)}`
  const seen = { serverId: server.id, kind: 'tool' as const, name: 'get_invoice', definition }
  const inputSchema = JSON.stringify({ type: 'object' })
  const row = {
    ...seen,
    description: null,
    inputSchema,
    annotations: null,
    seenAt: '2027-01-01T00:00:00.000Z',
  }
  await product.store.write(tx => tx.insertInto('seenDefinition').values(row).execute())
  await using terminal = await openTerminal(product)
  const map = [
    'tool',
    'map',
    'billing',
    'get_invoice',
    '--needs',
    'invoices:read',
    '--risk',
    'read',
    '--json',
  ]
  expect(JSON.parse((await terminal.valetkey(map)).out).item).toMatchObject({ definition, drift: 'none' })
  const unseen = await terminal.valetkey(['tool', 'map', 'billing', 'other', '--needs', 'invoices:read'])
  expect(unseen.err).toContain('Nobody has seen a tool "other" on billing yet.')
  expect((await terminal.valetkey(['tool', 'unmap', 'billing', 'get_invoice', '--yes'])).code).toBe(0)
  expect((await admin.tools.list({ server: 'billing' })).items).toEqual([])
})
