import { expect, test } from 'vitest'
import { start } from './product.ts'
import { tenants } from './tenants.ts'
import { openTerminal } from './terminal.ts'

const TERMINAL = { isTerminal: true, columns: 80 }

async function open() {
  const product = await start()
  const there = await tenants(product)
  const terminal = await openTerminal(product)
  const valetkey = (...argv: string[]) => terminal.valetkey(argv)
  return {
    ...there,
    product,
    admin: product.client(),
    valetkey,
    seen: (...argv: string[]) => terminal.valetkey(argv, TERMINAL),
    item: async (...argv: string[]) => JSON.parse((await valetkey(...argv, '--json')).out).item,
    async [Symbol.asyncDispose]() {
      await terminal[Symbol.asyncDispose]()
      await product[Symbol.asyncDispose]()
    },
  }
}

test('the tree is drawn from the top, and says where it was cut', async () => {
  await using at = await open()
  const whole = await at.seen('resource', 'tree')
  expect(whole).toMatchObject({ code: 0, err: '' })
  expect(whole.out).toBe(
    [
      'organization/northwind  Northwind',
      '├─ customer/acme  Acme',
      '│  ├─ invoice/INV-1',
      '│  └─ invoice/INV-2',
      '└─ customer/globex  Globex',
      '   └─ invoice/INV-3',
      '',
    ].join('\n'),
  )
  const cut = await at.seen('resource', 'tree', '--limit', '3')
  expect(cut.out).toBe(
    [
      'organization/northwind  Northwind',
      '├─ customer/acme  Acme',
      '│  ├─ invoice/INV-1',
      '│  └─ …',
      '└─ customer/globex  Globex',
      '   └─ …',
      '',
    ].join('\n'),
  )
  expect(cut.err).toContain('The tree is cut: "…" stands for more.')
  expect((await at.seen('resource', 'tree', 'customer/acme')).out).toBe(
    'customer/acme  Acme\n├─ invoice/INV-1\n└─ invoice/INV-2\n',
  )
  expect(await at.item('resource', 'tree', '--depth', '1')).toMatchObject({
    cut: true,
    more: false,
    children: [{ resource: 'customer/acme', children: [], more: true }, { resource: 'customer/globex' }],
  })
})

test('one with thousands below it leaves room for its neighbours', async () => {
  await using at = await open()
  const rows = Array.from({ length: 2000 }, (_, id) => ({
    type: 'invoice',
    id: `N-${id}`,
    parent: 'customer/acme',
  }))
  await at.admin.resources.import({ rows })
  const { out } = await at.seen('resource', 'tree', '--limit', '20')
  expect(out.split('\n').length).toBeLessThan(26)
  expect(out).toContain('invoice/INV-3')
})

test('resources are registered, renamed, moved and removed', async () => {
  await using at = await open()
  expect(await at.item('resource', 'add', 'customer/hooli', '--name', 'Hooli')).toMatchObject({
    name: 'Hooli',
  })
  expect(await at.item('resource', 'add', 'customer/hooli')).toMatchObject({ name: 'Hooli' })
  expect(await at.item('resource', 'add', 'invoice/A%2FB', '--below', 'customer/hooli')).toMatchObject({
    id: 'A/B',
    path: 'customer/hooli/invoice/A%2FB',
  })
  expect(await at.item('resource', 'mv', 'invoice/A%2FB', 'customer/acme')).toMatchObject({
    parent: 'customer/acme',
  })
  expect((await at.valetkey('resource', 'ls', 'invoice', '--below', 'customer/acme', '-o', 'name')).out).toBe(
    'invoice/INV-1\ninvoice/INV-2\ninvoice/A%2FB\n',
  )
  const refused = await at.valetkey('resource', 'rm', 'customer/acme', '--yes')
  expect(refused.code).toBe(5)
  expect(refused.err).toContain('add --cascade. [resource.has_dependents]')
  const preview = await at.seen('resource', 'rm', 'customer/acme', '--cascade', '--dry-run')
  expect(preview.err).toContain('customer/acme: 3 directly below it, 2 roles given on it.')
  expect(await at.item('resource', 'rm', 'customer/acme', '--cascade', '--yes')).toMatchObject({ removed: 4 })
  expect((await at.valetkey('resource', 'get', 'customer/acme')).code).toBe(4)
})

test('what is named wrong is answered with what was meant', async () => {
  await using at = await open()
  const err = async (...argv: string[]) => (await at.valetkey(...argv)).err
  expect(await err('resource', 'ls', 'invioce')).toContain('Did you mean "invoice"?')
  expect(await err('resource', 'type', 'set', 'custmer', '--name', 'x')).toContain('Did you mean "customer"?')
  expect(await err('resource', 'add', 'hooli')).toContain('Write it as invoice/INV-1')
  expect(await err('resource', 'add', 'invoice/INV-9')).toContain(
    'valetkey resource type ls [resource.misplaced]',
  )
  expect(await err('group', 'members', 'finnance')).toContain('Did you mean "finance"?')
  expect(await err('group', 'join', 'finance', 'usr:jon')).toContain('Did you mean "user"?')
  expect(await err('group', 'join', 'finance', 'jno@northwind.test')).toContain(
    'Did you mean "jon@northwind.test"?',
  )
  expect(await err('role', 'assign', 'group:finanec', 'refunder')).toContain('Did you mean "finance"?')
  expect(await err('resource', 'tere')).toContain('Did you mean tree?')
})

test('types are made and may lie below more than one other', async () => {
  await using at = await open()
  await at.item('resource', 'type', 'create', 'project', '--below', 'customer')
  expect(await at.item('resource', 'type', 'set', 'invoice', '--below', 'customer,project')).toMatchObject({
    parents: ['customer', 'project'],
  })
  const file = ['resource', 'type', 'create', 'file', '--below', 'customer', '--open']
  expect(await at.item(...file)).toMatchObject({ instances: 'open' })
})

test('groups and services hold roles, and members come and go', async () => {
  await using at = await open()
  expect(await at.item('group', 'add', 'night', '--title', 'Night shift')).toMatchObject({ name: 'night' })
  expect(await at.item('group', 'join', 'night', 'group:finance')).toMatchObject({ kind: 'group' })
  expect(await at.item('service', 'add', 'nightly')).toMatchObject({ status: 'active' })
  await at.item('group', 'join', 'night', 'service:nightly')
  await at.item('role', 'assign', 'group:night', 'refunder', '--on', 'invoice/INV-3', '--until', '2h')
  const mayRefund = (who: string) => at.valetkey('check', who, 'invoices:refund', 'invoice/INV-3')
  expect((await mayRefund('service:nightly')).code).toBe(0)
  expect((await mayRefund('maya@northwind.test')).code).toBe(0)
  expect((await mayRefund('jon@northwind.test')).code).toBe(10)
  await at.item('service', 'set', 'nightly', '--status', 'suspended')
  expect((await mayRefund('service:nightly')).code).toBe(10)
  await at.item('group', 'leave', 'night', 'group:finance')
  expect((await mayRefund('maya@northwind.test')).code).toBe(10)
  expect((await at.seen('group', 'rm', 'night', '--dry-run')).err).toContain(
    'Group night: 1 direct member loses what it was given: refunder on invoice/INV-3.',
  )
  expect((await at.valetkey('group', 'rm', 'night', '--yes')).code).toBe(0)
})

test('roles are given on one resource until a time, belong to one organization, and are cleared', async () => {
  await using at = await open()
  const own = ['role', 'create', 'globex-reader', '--type', 'customer', '--permission', 'invoices:read']
  expect(await at.item(...own, '--organization')).toMatchObject({ organization: at.organization.id })
  expect((await at.valetkey('role', 'ls', '-o', 'name')).out).not.toContain('globex-reader')
  expect((await at.valetkey('role', 'ls', '--org', 'northwind', '-o', 'name')).out).toContain('globex-reader')
  const give = ['role', 'assign', 'jon@northwind.test', 'globex-reader', '--org', 'northwind']
  expect(await at.item(...give, '--on', 'customer/globex', '--until', '2h')).toMatchObject({
    resource: 'customer/globex',
    expiresAt: '2027-01-01T02:00:00.000Z',
  })
  const mayRead = () => at.valetkey('check', 'jon@northwind.test', 'invoices:read', 'invoice/INV-3')
  expect((await mayRead()).code).toBe(0)
  at.product.passTime(2 * 3_600_000)
  expect((await mayRead()).code).toBe(10)
  const untold = await at.valetkey('role', 'clear')
  expect(untold.err).toContain('Name somebody, or add --on RESOURCE.')
  const preview = await at.seen('role', 'clear', '--on', 'customer/acme', '--dry-run')
  expect(preview.err).toContain('support-bot loses account-reader on customer/acme.')
  expect(await at.item('role', 'clear', '--on', 'customer/acme', '--yes')).toEqual({ removed: 2 })
  expect(await at.item('role', 'clear', 'support-bot', '--yes')).toEqual({ removed: 1 })
})

test('an agent acts for a person by a grant, until it is revoked', async () => {
  await using at = await open()
  await at.admin.agents.update({ id: 'support-bot', kind: 'both' })
  const add = ['grant', 'add', 'support-bot', '--for', 'maya@northwind.test', '--scope', 'invoices:read']
  const grant = await at.item(...add, '--on', 'customer/acme', '--until', '30d')
  expect(grant).toMatchObject({ resources: ['customer/acme'], status: 'live' })
  expect((await at.valetkey('grant', 'ls', '--person', 'maya@northwind.test', '-o', 'name')).out).toBe(
    `${grant.id}\n`,
  )
  expect((await at.valetkey('grant', 'ls', '--person', 'jon@northwind.test', '-o', 'name')).out).toBe('')
  expect((await at.seen('what', 'support-bot')).out).toContain(
    'It acts for people, within what they hold too:',
  )
  expect((await at.seen('grant', 'revoke', grant.id, '--dry-run')).err).toContain(
    'support-bot no longer acts for maya@northwind.test (invoices:read).',
  )
  expect(await at.item('grant', 'revoke', grant.id, '--reason', 'left')).toMatchObject({ status: 'revoked' })
  expect((await at.seen('what', 'support-bot')).out).not.toContain('It acts for people')
})
