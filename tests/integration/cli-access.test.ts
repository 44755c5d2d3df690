import { expect, test } from 'vitest'
import { attempt } from '../storage/audit-samples.ts'
import { ship } from '../storage/shipping.ts'
import { start } from './product.ts'
import { tenants } from './tenants.ts'
import { openTerminal } from './terminal.ts'

const TERMINAL = { isTerminal: true, columns: 80 }

async function open() {
  const product = await start()
  const there = await tenants(product)
  const terminal = await openTerminal(product)
  return {
    ...there,
    product,
    admin: product.client(),
    terminal,
    valetkey: (...argv: string[]) => terminal.valetkey([...argv, '--color', 'never']),
    seen: (...argv: string[]) => terminal.valetkey([...argv, '--color', 'never'], TERMINAL),
    json: async (...argv: string[]) => JSON.parse((await terminal.valetkey([...argv, '--json'])).out),
    async [Symbol.asyncDispose]() {
      await terminal[Symbol.asyncDispose]()
      await product[Symbol.asyncDispose]()
    },
  }
}

test('check says whether somebody holds a permission on a resource, and by which role', async () => {
  await using at = await open()
  const held = await at.seen('check', 'maya@northwind.test', 'invoices:read', 'invoice/INV-1')
  expect(held).toMatchObject({ code: 0, err: '' })
  expect(held.out).toBe(
    [
      'decision  permit',
      'reason    permitted',
      '',
      'ROLE            ON             THROUGH             GIVEN BY     EXPIRES',
      'account-reader  customer/acme  group Finance team  token:admin  -',
      '',
    ].join('\n'),
  )
  const denied = await at.seen('check', 'maya@northwind.test', 'invoices:read', 'invoice/INV-3')
  expect(denied.code).toBe(10)
  expect(denied.err).toBe('What is missing: valetkey why maya@northwind.test invoices:read invoice/INV-3\n')
  expect(await at.json('check', 'support-bot', 'invoices:refund', 'invoice/INV-3')).toMatchObject({
    kind: 'Access',
    item: { allowed: true, via: [{ role: 'refunder', on: 'invoice/INV-3', group: null }] },
  })
  expect((await at.valetkey('check', 'support-bot', 'invoices:read', 'invoice/INV-99')).out).toContain(
    'resource_unknown',
  )
})

test('without a resource the question is about the organization', async () => {
  await using at = await open()
  await at.admin.permissions.create({ slug: 'reports:read' })
  await at.admin.roles.create({ slug: 'reporter', permissions: ['reports:read'] })
  expect((await at.valetkey('check', 'jon@northwind.test', 'reports:read')).code).toBe(10)
  await at.valetkey('role', 'assign', 'jon@northwind.test', 'reporter')
  expect((await at.valetkey('check', 'jon@northwind.test', 'reports:read')).code).toBe(0)
})

test.each([
  [['check', 'support-bot', 'get_invoice'], 2, 'add --server NAME to ask about a call of a tool'],
  [['check', 'support-bot', 'get_invoice', 'x/1', '--server', 'billing'], 2, 'one word too many'],
  [
    ['check', 'support-bot', 'invoices:read', 'invoice/INV-1', '--args', '{}'],
    2,
    '--args is for calls of a tool',
  ],
  [['check', 'support-bot', 'invoices:raed', 'invoice/INV-1'], 4, 'Did you mean "invoices:read"?'],
  [['check', 'support-bot', 'invoices:read', 'invioce/INV-1'], 4, 'Did you mean "invoice"?'],
  [['check', 'supprot-bot', 'invoices:read', 'invoice/INV-1'], 4, 'Did you mean "support-bot"?'],
  [['check', 'support-bot', 'invoices:read', 'customer/acme'], 7, 'not of type customer'],
  [['why', 'maya@northwind.test'], 2, 'valetkey why WHO PERMISSION RESOURCE'],
  [['what', 'support-bto'], 4, 'Did you mean "support-bot"?'],
])('%j ends with %i', async (argv, code, text) => {
  await using at = await open()
  const asked = await at.valetkey(...argv)
  expect({ code: asked.code, out: asked.out }).toEqual({ code, out: '' })
  expect(asked.err).toContain(text)
})

test('who may only ask about decisions can ask for names', async () => {
  await using at = await open()
  const made = await at.admin.apiTokens.create({ name: 'asker', permissions: ['decision:read'] })
  const env = { VALETKEY_URL: 'https://auth.test', VALETKEY_TOKEN: made.token ?? '' }
  const ask = (...argv: string[]) => at.terminal.valetkey(argv, { env })
  expect((await ask('check', 'maya@northwind.test', 'invoices:read', 'invoice/INV-1')).code).toBe(0)
  expect((await ask('check', at.agent.id, 'invoices:refund', 'invoice/INV-3')).code).toBe(0)
  expect((await ask('why', 'group:finance', 'invoices:refund', 'invoice/INV-1')).code).toBe(10)
})

test('why shows the path, what came close, and the smallest role that would mend it', async () => {
  await using at = await open()
  const why = await at.seen('why', 'maya@northwind.test', 'invoices:refund', 'invoice/INV-1')
  expect(why.code).toBe(10)
  expect(why.out).toMatch(/^path +invoice\/INV-1 < customer\/acme < organization\/northwind$/m)
  expect(why.out).toContain(
    [
      'Roles that are held there, without invoices:refund:',
      'ROLE            ON             THROUGH             GIVEN BY     EXPIRES',
      'account-reader  customer/acme  group Finance team  token:admin  -',
      '',
      'Any one of these would allow it, the smallest first:',
      'ROLE      ON             ALSO GIVES',
      'refunder  invoice/INV-1  -',
      '',
      'To give it:',
      '  valetkey role assign maya@northwind.test refunder --on invoice/INV-1',
    ].join('\n'),
  )
  const mend = /valetkey (role assign .*)/.exec(why.out)?.[1]?.split(' ') ?? []
  expect((await at.valetkey(...mend)).code).toBe(0)
  const mended = await at.seen('why', 'maya@northwind.test', 'invoices:refund', 'invoice/INV-1')
  expect(mended.code).toBe(0)
  expect(mended.out).toContain('Carried by:')
})

test('why of a refused call says what it lacks as things stand now, and how to mend that', async () => {
  await using at = await open()
  const refused = attempt(1, {
    organization: at.organization.id,
    agent: at.agent.id,
    permission: 'invoices:refund',
    resource: 'customer/acme/invoice/INV-1',
    decision: 'deny',
    reason: 'agent_lacks_permission',
    detail: 'invoices:refund',
    assignments: [],
  })
  await ship(at.product.audit, 'pnt_1', 1, [refused])
  const why = await at.seen('why', refused.id)
  expect(why.code).toBe(10)
  expect(why.out).toContain('As things stand now: Denied: no role of "support-bot"')
  expect(why.out).toContain('invoice/INV-1 < customer/acme < organization/northwind')
  expect(why.out).toContain('valetkey role assign support-bot refunder --on invoice/INV-1')
  expect((await at.json('why', refused.id)).item.today).toMatchObject({ reason: 'permission_missing' })
  await at.valetkey('role', 'assign', 'support-bot', 'refunder', '--on', 'invoice/INV-1')
  expect((await at.json('why', refused.id)).item.today).toBeNull()
})

test('check of a call for which a role is missing says which one', async () => {
  await using at = await open()
  await at.admin.credentials.create({ agent: 'support-bot', kind: 'secret' })
  await at.admin.agents.update({ id: 'support-bot', ceiling: ['invoices:*'] })
  const call = ['check', 'support-bot', 'refund_invoice', '--server', 'billing', '--args']
  const refused = await at.seen(...call, '{"customer":"acme","id":"INV-1"}')
  expect(refused.code).toBe(10)
  expect(refused.out).toMatch(/^reason +agent_lacks_permission$/m)
  expect(refused.out).toContain('valetkey role assign support-bot refunder --on invoice/INV-1')
  expect((await at.seen(...call, '{"customer":"globex","id":"INV-3"}')).code).toBe(0)
  const elsewhere = await at.seen(...call, '{"customer":"acme","id":"INV-3"}')
  expect(elsewhere.out).toMatch(/^reason +resource_unknown$/m)
})

test('what says everything that an agent can reach: permissions, places, roles, who gave them, tools', async () => {
  await using at = await open()
  const what = await at.seen('what', 'support-bot')
  expect(what).toMatchObject({ code: 0, err: '' })
  expect(what.out).toBe(
    [
      'support-bot may, on these resources and all below them:',
      '',
      'customer/acme  customers:read invoices:read',
      '               by account-reader, given by token:admin',
      'invoice/INV-3  invoices:refund',
      '               by refunder, given by token:admin',
      '',
      'Its tokens carry at most customers:*, invoices:read.',
      'Out of reach for want of a scope: invoices:refund.',
      '',
      'Tools that it could call, with arguments that name what it may reach:',
      '',
      'SERVER   KIND  NAME         NEEDS          ON             RISK',
      'billing  tool  get_invoice  invoices:read  customer/acme  read',
      '',
    ].join('\n'),
  )
  expect(await at.json('what', 'maya@northwind.test')).toMatchObject({
    kind: 'What',
    item: {
      kind: 'user',
      ceiling: null,
      tools: [],
      reach: [{ via: { on: 'customer/acme', group: 'Finance team' } }],
    },
  })
  await at.admin.servers.update({ id: 'billing', status: 'frozen' })
  expect((await at.seen('what', 'support-bot')).out).toContain('1 more is shut')
  await at.admin.agents.suspend({ id: 'support-bot' })
  expect((await at.seen('what', 'support-bot')).out).toBe('support-bot reaches nothing: it is suspended.\n')
})

test('what somebody holds twice is told once, by the role further up', async () => {
  await using at = await open()
  await at.admin.roles.create({ slug: 'reads-all', permissions: ['invoices:read'] })
  await at.valetkey('role', 'assign', 'support-bot', 'reads-all')
  const { item } = await at.json('what', 'support-bot')
  const slugs = item.reach.map((reach: { via: { on: string }; permissions: { slug: string }[] }) => [
    reach.via.on,
    reach.permissions.map(({ slug }) => slug),
  ])
  expect(slugs).toEqual([
    ['customer/acme', ['customers:read']],
    ['invoice/INV-3', ['invoices:refund']],
    ['organization/northwind', ['invoices:read']],
  ])
})

test('who names those who can and those who did, in one answer', async () => {
  await using at = await open()
  const call = attempt(1, {
    organization: at.organization.id,
    agent: at.agent.id,
    server: at.server.id,
    resource: 'customer/acme/invoice/INV-1',
    assignments: [{ id: at.toAgent.id, role: 'account-reader', createdBy: at.maya.id }],
  })
  await ship(at.product.audit, 'pnt_1', 1, [call])
  const who = await at.seen('who', '--resource', 'customer/acme/invoice/INV-1')
  expect(who.code).toBe(0)
  expect(who.out).toContain(
    [
      '3 principals can do something on customer/acme/invoice/INV-1 now.',
      '',
      'group finance             invoices:read',
      '                          by account-reader on customer/acme, given by',
      '                          token:admin',
      'user maya@northwind.test  invoices:read',
    ].join('\n'),
  )
  expect(who.out).toMatch(/1 agent touched customer\/acme\/invoice\/INV-1/)
  expect(
    Math.max(...who.out.split('\n').map(line => (/^\d agent/.test(line) ? 0 : line.length))),
  ).toBeLessThanOrEqual(80)
  const json = await at.json('who', '--resource', 'invoice/INV-1', '--agent', 'support-bot')
  expect(json.holders).toMatchObject([{ principal: at.agent.id, permissions: ['invoices:read'] }])
  const unknown = await at.seen('who', '--resource', 'invoice/INV-99')
  expect(unknown.err).toContain('it is no registered resource')
})

test('who can on what is of an open type: whoever can on what it is named below', async () => {
  await using at = await open()
  await at.admin.resourceTypes.create({ slug: 'file', parents: ['customer'], instances: 'open' })
  await at.admin.permissions.create({ slug: 'files:read', type: 'file', risk: 'read' })
  const role = { slug: 'file-reader', type: 'customer', permissions: ['files:read'] }
  await at.admin.roles.create(role)
  await at.admin.assignments.create({
    principal: 'user:jon@northwind.test',
    role: 'file-reader',
    resource: 'customer/globex',
  })
  const holders = async (resource: string) => {
    const { holders: found } = await at.json('who', '--resource', resource)
    return found?.map(({ name, permissions }: { name: string; permissions: string[] }) => [name, permissions])
  }
  expect(await holders('customer/globex/file/7')).toEqual([['Jon', ['files:read']]])
  expect(await holders('customer/acme/file/7')).toEqual([])
  expect(await holders('customer/nobody/file/7')).toBeUndefined()
  expect(await holders('file/7')).toEqual([])
  await at.admin.roles.create({ slug: 'archivist', permissions: ['files:read'] })
  await at.admin.assignments.create({ principal: 'user:maya@northwind.test', role: 'archivist' })
  expect(await holders('file/7')).toEqual([['Maya', ['files:read']]])
  const check = ['check', 'jon@northwind.test', 'files:read']
  expect((await at.valetkey(...check, 'customer/globex/file/7')).code).toBe(0)
  expect((await at.valetkey(...check, 'customer/acme/file/7')).code).toBe(10)
  expect((await at.valetkey(...check, 'file/7')).code).toBe(10)
  const why = await at.valetkey('why', ...check.slice(1), 'customer/acme/file/7')
  expect(why.out).toContain('customer/acme')
  for (const [wrong, text] of [
    ['customer/acme/invoice/INV-1', 'Name it by that alone'],
    ['file/1/file/7', 'is not registered'],
    ['a/b/c', 'Write a resource as type and id'],
  ] as const)
    expect((await at.valetkey('check', 'jon@northwind.test', 'files:read', wrong)).err).toContain(text)
})
