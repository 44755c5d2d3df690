import { expect, test } from 'vitest'
import { loadCatalogue } from '../../packages/server/src/directory/index.ts'
import { type Product, start } from './product.ts'
import { openTerminal } from './terminal.ts'

const DAY = 24 * 3_600_000
const URL_OF_BILLING = 'https://billing.test/mcp'

async function withBilling() {
  const product = await start()
  await product.client().servers.create({ name: 'billing', url: URL_OF_BILLING })
  return product
}

const after = (product: Product, ms: number) => new Date(product.now() + ms).toISOString()

async function factOf(product: Product) {
  const { ops } = await loadCatalogue(product.store.db)
  return ops.find(op => op.fact === 'server')?.value
}

test('200: a server is observed until a time, and enforces by itself from then on', async () => {
  await using product = await withBilling()
  const admin = product.client()
  const observeUntil = after(product, DAY)
  const before = { mode: 'enforce', observeUntil: null }
  const observed = { mode: 'observe', observeUntil } as const
  expect(await admin.servers.update({ id: 'billing', ...observed })).toMatchObject(observed)
  expect(await factOf(product)).toMatchObject({ mode: 'observe', observeUntil: Date.parse(observeUntil) })
  const updated = (await product.events()).find(({ type }) => type === 'server.updated')
  expect(updated).toMatchObject({
    detail: { before, after: observed },
  })
  product.passTime(DAY - 1)
  expect(await admin.servers.get({ id: 'billing' })).toMatchObject(observed)
  product.passTime(1)
  expect(await admin.servers.get({ id: 'billing' })).toMatchObject(before)
})

test('200: the end can be moved, and another mode ends it', async () => {
  await using product = await withBilling()
  const admin = product.client()
  await admin.servers.update({ id: 'billing', mode: 'observe', observeUntil: after(product, DAY) })
  const later = after(product, 2 * DAY)
  expect(await admin.servers.update({ id: 'billing', observeUntil: later })).toMatchObject({
    observeUntil: later,
  })
  expect(await admin.servers.update({ id: 'billing', status: 'frozen' })).toMatchObject({
    mode: 'observe',
    observeUntil: later,
  })
  expect(await admin.servers.update({ id: 'billing', mode: 'audit' })).toMatchObject({
    mode: 'audit',
    observeUntil: null,
  })
  const crm = { name: 'crm', url: 'https://crm.test/mcp', mode: 'observe', observeUntil: later } as const
  expect(await admin.servers.create(crm)).toMatchObject({ mode: 'observe', observeUntil: later })
})

test('400: observation without an end, with one that has passed or is too far away, or with another mode', async () => {
  await using product = await withBilling()
  const admin = product.client()
  const refused = { status: 400, code: 'request.invalid' }
  const update = (body: object) => admin.servers.update({ id: 'billing', ...body })
  await expect(update({ mode: 'observe' })).rejects.toMatchObject(refused)
  for (const ms of [0, -DAY, 30 * DAY + 1])
    await expect(update({ mode: 'observe', observeUntil: after(product, ms) })).rejects.toMatchObject(refused)
  await expect(update({ mode: 'audit', observeUntil: after(product, DAY) })).rejects.toMatchObject(refused)
  await expect(update({ observeUntil: after(product, DAY) })).rejects.toMatchObject(refused)
  const crm = { name: 'crm', url: 'https://crm.test/mcp', mode: 'observe' } as const
  await expect(admin.servers.create(crm)).rejects.toMatchObject(refused)
  expect(await admin.servers.get({ id: 'billing' })).toMatchObject({ mode: 'enforce', observeUntil: null })
  // A rule may be looser than its server, but not let strangers pass.
  const rule = { kind: 'prompt', name: 'p', permission: 'invoices:read', mode: 'observe' }
  expect((await product.request('PUT', '/servers/billing/tools', rule)).status).toBe(400)
})

test('200: a policy observes for a while, and may keep saying so when that is over', async () => {
  await using product = await withBilling()
  const admin = product.client()
  const policy = { version: 1, servers: { billing: { mode: 'observe', observeUntil: '2027-01-08' } } }
  const changed = await admin.policy.apply({ policy })
  expect(changed.changes).toEqual([
    expect.objectContaining({
      sign: '~',
      kind: 'server',
      detail: expect.stringContaining('enforce -> observe'),
    }),
  ])
  expect((await admin.policy.apply({ policy })).changes).toEqual([])
  product.passTime(7 * DAY)
  expect((await admin.policy.apply({ policy })).changes).toEqual([])
  expect(await admin.servers.get({ id: 'billing' })).toMatchObject({ mode: 'enforce' })
  for (const server of [
    { mode: 'observe' },
    { mode: 'audit', observeUntil: '2027-02-01' },
    { observeUntil: '2027-02-01' },
  ])
    await expect(
      admin.policy.apply({ policy: { version: 1, servers: { billing: server } } }),
    ).rejects.toMatchObject({
      code: 'policy.invalid',
      path: 'servers.billing.observeUntil',
    })
})

test('the command line wants an end too', async () => {
  await using product = await withBilling()
  await using terminal = await openTerminal(product)
  const endless = await terminal.valetkey(['server', 'set', 'billing', '--mode', 'observe'])
  expect(endless).toMatchObject({ code: 2, out: '' })
  expect(endless.err).toContain('--until 7d')
  const set = await terminal.valetkey([
    'server',
    'set',
    'billing',
    '--mode',
    'observe',
    '--until',
    '7d',
    '--json',
  ])
  const observed = { mode: 'observe', observeUntil: '2027-01-08T00:00:00.000Z' }
  expect(JSON.parse(set.out).item).toMatchObject(observed)
  expect((await terminal.valetkey(['server', 'ls'])).out).toMatch(/billing.*observe.*2027-01-08/)
})
