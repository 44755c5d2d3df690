import { expect, test } from 'vitest'
import { start } from './product.ts'
import { tenants } from './tenants.ts'
import { openTerminal } from './terminal.ts'

const DAY = 86_400_000

/** Two agents that act for two people, made on different days. */
async function open() {
  const product = await start()
  const there = await tenants(product)
  const admin = product.client()
  await admin.agents.update({ id: 'support-bot', kind: 'both' })
  await admin.agents.create({ name: 'reporter', owner: 'jon@northwind.test', kind: 'both', ceiling: [] })
  const grant = async (agent: string, person: string, scopes: string[], expiresAt?: string) =>
    (await admin.grants.create({ agent, person, scopes, ...(expiresAt && { expiresAt }) })).id
  const old = await grant('support-bot', 'maya@northwind.test', ['invoices:*'])
  product.passTime(100 * DAY)
  const day = new Date(product.now() + DAY).toISOString()
  const brief = await grant('reporter', 'maya@northwind.test', ['reports:read'], day)
  const jons = await grant('support-bot', 'jon@northwind.test', ['invoices:refund'])
  const terminal = await openTerminal(product)
  return {
    ...there,
    ...{ product, admin, old, brief, jons },
    list: async (filter: Parameters<typeof admin.grants.list>[0]) =>
      (await admin.grants.list(filter)).items.map(({ id }) => id).sort(),
    valetkey: (...argv: string[]) => terminal.valetkey(argv),
    async [Symbol.asyncDispose]() {
      await terminal[Symbol.asyncDispose]()
      await product[Symbol.asyncDispose]()
    },
  }
}

const used = (store: Awaited<ReturnType<typeof open>>['product']['store'], id: string, at: number) =>
  store.db
    .updateTable('grant')
    .set({ lastUsedAt: new Date(at).toISOString() })
    .where('id', '=', id)
    .execute()

test('200: grants are found by agent, person, scope, status, age and use', async () => {
  await using at = await open()
  const { old, brief, jons, product } = at
  const sorted = (...ids: string[]) => ids.sort()
  expect(await at.list({ agent: 'support-bot' })).toEqual(sorted(old, jons))
  expect(await at.list({ person: 'maya@northwind.test' })).toEqual(sorted(old, brief))
  expect(await at.list({ agent: 'agent:support-bot', person: 'user:jon@northwind.test' })).toEqual([jons])
  // A family names all of its own; a `_` is no joker.
  expect(await at.list({ scope: 'invoices:refund' })).toEqual(sorted(old, jons))
  expect(await at.list({ scope: 'invoices:read' })).toEqual([old])
  expect(await at.list({ scope: 'reports:rea_' })).toEqual([])
  const recent = new Date(product.now() - 90 * DAY).toISOString()
  expect(await at.list({ createdBefore: recent })).toEqual([old])
  expect(await at.list({ used: 'never' })).toEqual(sorted(old, brief, jons))
  await used(product.store, old, product.now())
  await used(product.store, jons, product.now() - 95 * DAY)
  expect(await at.list({ used: 'never' })).toEqual([brief])
  expect(await at.list({ used: 'ever' })).toEqual(sorted(old, jons))
  expect(await at.list({ idleSince: recent })).toEqual(sorted(brief, jons))
  product.passTime(2 * DAY)
  expect(await at.list({ status: 'expired' })).toEqual([brief])
  await at.admin.grants.revoke({ id: jons })
  expect(await at.list({ status: 'revoked' })).toEqual([jons])
  expect(await at.list({ status: 'live' })).toEqual([old])
  expect(await at.admin.grants.get({ id: old })).toMatchObject({ id: old, source: 'administrator' })
})

test('200: all of a person or an agent end in one revision, and the record says why', async () => {
  await using at = await open()
  const { revision } = await at.admin.organizations.get({ id: 'northwind' })
  const ended = await at.admin.grants.revokeAll({ person: 'maya@northwind.test', reason: 'left' })
  expect(ended.revoked.sort()).toEqual([at.old, at.brief].sort())
  expect((await at.admin.organizations.get({ id: 'northwind' })).revision).toBe(revision + 1)
  const events = (await at.product.events()).filter(({ type }) => type === 'grant.revoked')
  expect(events.map(({ detail }) => detail['reason'])).toEqual(['left', 'left'])
  expect(await at.admin.grants.revokeAll({ person: 'maya@northwind.test' })).toEqual({ revoked: [] })
  expect((await at.admin.organizations.get({ id: 'northwind' })).revision).toBe(revision + 1)
  expect(await at.admin.grants.revokeAll({ agent: 'support-bot' })).toEqual({ revoked: [at.jons] })
})

test('400, 403, 404: nobody named, not allowed, not there', async () => {
  await using at = await open()
  await expect(at.admin.grants.revokeAll({})).rejects.toMatchObject({ status: 400, code: 'request.invalid' })
  await expect(at.admin.grants.revokeAll({ agent: 'nobody' })).rejects.toMatchObject({ status: 404 })
  await expect(at.admin.grants.get({ id: 'gnt_none' })).rejects.toMatchObject({ status: 404 })
  await at.admin.organizations.create({ slug: 'contoso', name: 'Contoso' })
  await expect(at.admin.grants.get({ id: at.old, organization: 'contoso' })).rejects.toMatchObject({
    status: 404,
  })
  const reader = at.product.client('grant:read')
  await expect(reader.grants.revokeAll({ agent: 'support-bot' })).rejects.toMatchObject({ status: 403 })
  const other = at.product.client('agent:read')
  await expect(other.grants.get({ id: at.old })).rejects.toMatchObject({ status: 403 })
})

test('the command line finds, shows and ends them', async () => {
  await using at = await open()
  const names = async (...argv: string[]) =>
    (await at.valetkey('grant', 'ls', ...argv, '-o', 'name')).out.split('\n').filter(Boolean).sort()
  expect(await names('--older-than', '90d', '--never-used')).toEqual([at.old])
  expect(await names('--idle', '1d', '--scope', 'reports:read', '--status', 'live')).toEqual([at.brief])
  const shown = JSON.parse((await at.valetkey('grant', 'get', at.old, '--json')).out)
  expect(shown.item).toMatchObject({ id: at.old, lastUsedAt: null, elevated: {} })
  for (const argv of [[], [at.old, '--agent', 'support-bot']]) {
    const vague = await at.valetkey('grant', 'revoke', ...argv, '--yes')
    expect([vague.code, vague.err.includes('Name a grant, or add --agent or --person.')]).toEqual([2, true])
  }
  const preview = await at.valetkey('grant', 'revoke', '--person', 'maya@northwind.test', '--dry-run')
  expect(preview.err).toContain('reporter no longer acts for maya@northwind.test.')
  const ended = await at.valetkey('grant', 'revoke', '--person', 'maya@northwind.test', '--reason', 'left')
  expect(ended.err).toContain('2 grants have ended.')
  expect(await names('--status', 'live')).toEqual([at.jons])
})

test('the command line says how far people may go, and which agents take all or nothing', async () => {
  await using at = await open()
  const json = async (...argv: string[]) => JSON.parse((await at.valetkey(...argv, '--json')).out).item
  expect(await json('org', 'consent', 'northwind')).toMatchObject({
    longestSeconds: 2_592_000,
    proposedSeconds: 86_400,
    mayAdopt: null,
  })
  const changed = await json(
    'org',
    'consent',
    'northwind',
    '--longest',
    '7d',
    '--proposed',
    '8h',
    '--may-adopt',
    'no',
  )
  expect(changed).toMatchObject({ longestSeconds: 604_800, proposedSeconds: 28_800, mayAdopt: false })
  const table = await at.valetkey('org', 'consent', 'northwind', '--may-adopt', 'as-configured')
  expect(table.out).toMatch(/7d\s+8h\s+as configured|longest\s+7d/i)
  expect((await at.valetkey('org', 'consent', 'northwind', '--longest', 'long')).code).toBe(2)
  expect((await at.valetkey('org', 'consent', 'northwind', '--longest', '1h')).code).toBe(0)
  const events = (await at.product.events()).filter(({ type }) => type === 'organization.consent_changed')
  expect(events).toHaveLength(3)
  expect(await json('agent', 'set', 'support-bot', '--all-or-nothing')).toMatchObject({ allOrNothing: true })
  expect(await json('agent', 'set', 'support-bot', '--purpose', 'x')).toMatchObject({ allOrNothing: true })
  expect(await json('agent', 'set', 'support-bot', '--no-all-or-nothing')).toMatchObject({
    allOrNothing: false,
  })
})
