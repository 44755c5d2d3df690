import { newId } from '@valetkey/sdk/core'
import { expect, test, vi } from 'vitest'
import { attempt } from '../storage/audit-samples.ts'
import { CERTIFICATE, startHttpReceiver } from '../storage/receivers.ts'
import { ship } from '../storage/shipping.ts'
import { northwind, type Product, start } from './product.ts'
import { openTerminal } from './terminal.ts'

const DAY_MS = 86_400_000
const MINUTE_MS = 60_000

/** Northwind with its agent, which has worked for three weeks in the same way every day. */
async function startWith(options: Parameters<typeof start>[0] = {}) {
  const product = await start(options)
  const { organization, agent } = await northwind(product)
  let counter = 0
  const now = product.now()
  const say = (at: number, fields: Partial<Parameters<typeof attempt>[1]> = {}) =>
    attempt(++counter, {
      ...{ at: new Date(at).toISOString(), organization: organization.id, agent: agent.id },
      ...{
        agentName: 'support-bot',
        server: 'srv_billing',
        tool: 'get_invoice',
        resource: 'invoice/1',
        ...fields,
      },
    })
  const usual = Array.from({ length: 21 * 30 }, (_, i) =>
    say(now - 21 * DAY_MS + Math.floor(i / 30) * DAY_MS + (i % 30) * 10 * MINUTE_MS),
  )
  await ship(product.audit, 'pnt_1', 1, usual)
  await product.baseline.wake()
  return {
    ...{ product, organization, agent },
    /** Ships calls that were made just now, and has them observed. */
    async call(count: number, fields: Parameters<typeof say>[1] = {}) {
      const calls = Array.from({ length: count }, (_, i) => say(product.now() + i, fields))
      await ship(product.audit, 'pnt_1', 1, calls)
      await product.baseline.wake()
      return calls.map(({ id }) => id)
    },
    [Symbol.asyncDispose]: () => product[Symbol.asyncDispose](),
  }
}
const alertsOf = async ({ client }: Product) =>
  (await client().alerts.list({ organization: 'northwind' })).items

test('200: a tool that the agent never used is an alert on record, which names the decision that it rests on', async () => {
  await using stage = await startWith()
  const { product, agent, organization } = stage
  expect(await alertsOf(product)).toEqual([])
  const [decision] = await stage.call(1, { tool: 'delete_invoice' })
  const [alert, ...others] = await alertsOf(product)
  expect(others).toEqual([])
  expect(alert).toMatchObject({
    ...{
      agent: agent.id,
      organization: organization.id,
      kind: 'new_tool',
      records: [decision],
      suspension: 'none',
    },
    sentence:
      'support-bot used srv_billing/delete_invoice, for the first time in 28 days; usual are 1 tools.',
    acknowledgedAt: null,
  })
  // Found within the minute.
  expect(Date.parse(alert?.raisedAt ?? '') - Date.parse(alert?.at ?? '')).toBeLessThan(60_000)
  expect(await product.client().decisions.get({ id: decision ?? '' })).toMatchObject({
    tool: 'delete_invoice',
  })
  const raised = (await product.events()).filter(({ type }) => type === 'alert.raised')
  expect(raised).toMatchObject([
    {
      actor: 'baseline',
      target: agent.id,
      detail: { alert: alert?.id, kind: 'new_tool', records: [decision], suspends: false },
    },
  ])
  await stage.call(5, { tool: 'delete_invoice' })
  expect(await alertsOf(product)).toHaveLength(1)
})

test('200: alerts reach a webhook that takes nothing else', async () => {
  await using server = await startHttpReceiver()
  await using stage = await startWith({ sinkPrivateHosts: [`localhost:${server.port}`] })
  const { product } = stage
  const url = `https://localhost:${server.port}/`
  const pager = { name: 'pager', kind: 'webhook', url, authority: CERTIFICATE, takes: ['alerts'] } as const
  await product.client().sinks.create({ ...pager, takes: ['alerts'] })
  await stage.call(1, { resource: 'salary/7' })
  await vi.waitFor(
    async () => {
      await product.audit.flush()
      await product.sinks.wake()
      expect(server.received).toHaveLength(1)
    },
    { timeout: 15_000, interval: 20 },
  )
  expect(JSON.parse(server.received[0]?.body ?? '')).toMatchObject([
    {
      type: 'dev.valetkey.alert.v1',
      subject: stage.agent.id,
      data: { detail: { kind: 'new_resource_type' } },
    },
  ])
})

test('200: receivers of security events that ask for it are told of the risk, in the words of CAEP', async () => {
  await using stage = await startWith()
  const { product, agent } = stage
  const admin = product.client()
  for (const [receiver, events] of [
    ['siem', ['risk-level-change' as const]],
    ['other', ['session-revoked' as const]],
  ] as const) {
    await admin.signalReceivers.create({ name: receiver })
    await admin.signalStreams.start({ receiver, events: [...events] })
  }
  await stage.call(1, { tool: 'delete_invoice' })
  const [alert] = await alertsOf(product)
  const bodies = (await product.store.db.selectFrom('signalEvent').select('body').execute()).map(({ body }) =>
    JSON.parse(body),
  )
  const told = bodies.filter(({ events }) => JSON.stringify(events).includes('risk-level-change'))
  expect(told).toMatchObject([
    {
      txn: alert?.id,
      sub_id: { format: 'complex', application: { sub: agent.id } },
      events: {
        'https://schemas.openid.net/secevent/caep/event-type/risk-level-change': {
          ...{
            principal: 'APPLICATION',
            current_level: 'HIGH',
            risk_reason: alert?.sentence,
            initiating_entity: 'system',
          },
        },
      },
    },
  ])
})

test('200: where the organization wants it, the agent is suspended as a person would have it, with the alert as the reason', async () => {
  await using stage = await startWith()
  const { product, agent } = stage
  const admin = product.client()
  await stage.call(400)
  expect(await admin.agents.get({ id: agent.id })).toMatchObject({ status: 'active' })
  product.passTime(2 * 3_600_000)
  const policy = { id: 'northwind', suspendOn: ['burst' as const] }
  expect(await admin.alerts.updatePolicy(policy)).toMatchObject({
    suspendOn: ['burst'],
    kinds: expect.any(Array),
  })
  await stage.call(800)
  expect(await admin.agents.get({ id: agent.id })).toMatchObject({ status: 'suspended' })
  const [alert] = await alertsOf(product)
  expect(alert).toMatchObject({ kind: 'burst', suspension: 'done' })
  const events = await product.events()
  expect(events).toContainEqual(
    expect.objectContaining({
      ...{ type: 'agent.suspended', actor: 'baseline', target: agent.id },
      detail: expect.objectContaining({ reason: `Alert ${alert?.id}: ${alert?.sentence}` }),
    }),
  )
  expect(events).toContainEqual(
    expect.objectContaining({
      type: 'alert.suspended',
      detail: expect.objectContaining({ alert: alert?.id, confirmed: 0, points: 0 }),
    }),
  )
  await admin.freezes.thaw({ kind: 'agent', id: agent.id, reason: 'it was the export' })
  expect(await admin.agents.get({ id: agent.id })).toMatchObject({ status: 'active' })
})

test('200: an agent is suspended while the points of another one have still to confirm', async () => {
  let confirm: () => void = () => undefined
  const confirmed = new Promise<void>(resolve => {
    confirm = resolve
  })
  await using stage = await startWith({
    async waitForPoints(organization, revision) {
      await confirmed
      return { organization, revision, complete: true, elapsedMs: 0, points: [] }
    },
  })
  const { product, agent } = stage
  const admin = product.client()
  const other = await admin.agents.create({ name: 'other-bot', owner: 'maya@northwind.test', ceiling: [] })
  await admin.alerts.updatePolicy({ id: 'northwind', suspendOn: ['refusal_streak'], refusalStreak: 5 })
  const refused = { decision: 'deny', reason: 'agent_lacks_permission' } as const
  const statusOf = async (id: string) => (await admin.agents.get({ id })).status
  const first = stage.call(5, refused)
  await vi.waitFor(async () => expect(await statusOf(agent.id)).toBe('suspended'), { timeout: 10_000 })
  const second = stage.call(5, { ...refused, agent: other.id, agentName: 'other-bot' })
  await vi.waitFor(async () => expect(await statusOf(other.id)).toBe('suspended'), { timeout: 10_000 })
  expect((await alertsOf(product)).map(({ suspension }) => suspension)).toEqual(['pending', 'pending'])
  confirm()
  await Promise.all([first, second])
  expect((await alertsOf(product)).map(({ suspension }) => suspension)).toEqual(['done', 'done'])
})

test('200: what an organization does not want to be told of is none, and no other organization is told', async () => {
  await using stage = await startWith()
  const { product } = stage
  const admin = product.client()
  await admin.alerts.updatePolicy({ id: 'northwind', kinds: ['burst'] })
  await stage.call(1, { tool: 'delete_invoice' })
  await admin.alerts.updatePolicy({ id: 'northwind', kinds: ['new_tool'], refusalStreak: 5 })
  await stage.call(1, { tool: 'delete_customer' })
  const contoso = await admin.organizations.create({ slug: 'contoso', name: 'Contoso' })
  // A point may name anybody: an agent of another organization, or none at all, has no baseline here.
  await stage.call(30, { organization: contoso.id, decision: 'deny', reason: 'agent_lacks_permission' })
  await stage.call(30, { agent: 'agt_nobody', decision: 'deny', reason: 'agent_lacks_permission' })
  expect(await admin.alerts.list({ organization: 'northwind' })).toMatchObject({
    items: [{ what: ['srv_billing/delete_customer'] }],
  })
  expect(await admin.alerts.list({ organization: 'contoso' })).toEqual({ items: [], next: null })
  expect(await product.store.db.selectFrom('agentProfile').selectAll().execute()).toHaveLength(1)
})

test('a clock that is off by years makes nobody dormant', async () => {
  await using stage = await startWith()
  await stage.call(1, { at: '2037-01-01T00:00:00.000Z' })
  await stage.call(1, { at: '1999-01-01T00:00:00.000Z' })
  await stage.call(1)
  expect(await alertsOf(stage.product)).toEqual([])
})

test('200: pages, filters, and somebody who has looked into it', async () => {
  await using stage = await startWith()
  const admin = stage.product.client()
  for (const tool of ['a', 'b', 'c']) await stage.call(1, { tool })
  await stage.call(25, { decision: 'deny', reason: 'agent_lacks_permission' })
  const first = await admin.alerts.list({ limit: 3 })
  const second = await admin.alerts.list({ limit: 3, cursor: first.next ?? '' })
  expect([...first.items, ...second.items].map(({ kind }) => kind).sort()).toEqual([
    'new_tool',
    'new_tool',
    'new_tool',
    'refusal_streak',
  ])
  const [alert] = (await admin.alerts.list({ kind: 'refusal_streak' })).items
  const done = await admin.alerts.acknowledge({ alert: alert?.id ?? '', note: 'a bad deploy' })
  expect(done).toMatchObject({ note: 'a bad deploy', acknowledgedAt: expect.any(String) })
  expect(await admin.alerts.acknowledge({ alert: done.id, note: 'again' })).toEqual(done)
  expect((await admin.alerts.list({ open: 'true' })).items).toHaveLength(3)
  const noted = (await stage.product.events()).filter(({ type }) => type === 'alert.acknowledged')
  expect(noted).toMatchObject([{ detail: { alert: done.id, note: 'a bad deploy' } }])
})

test('400, 403, 404', async () => {
  await using stage = await startWith()
  const { product } = stage
  for (const bad of [
    { kinds: ['boredom'] },
    { windowDays: 1 },
    { burstFactor: 1 },
    { refusalStreak: 0 },
    { dormantDays: 1.5 },
  ])
    expect(await product.request('PATCH', '/organizations/northwind/alerts', bad)).toMatchObject({
      status: 400,
    })
  const reader = product.client('alert:read')
  await expect(reader.alerts.updatePolicy({ id: 'northwind', suspendOn: [] })).rejects.toMatchObject({
    status: 403,
  })
  await expect(reader.alerts.get({ alert: 'alr_01' })).rejects.toMatchObject({ status: 404 })
  await stage.call(1, { tool: 'delete_invoice' })
  const [alert] = await alertsOf(product)
  await expect(reader.alerts.acknowledge({ alert: alert?.id ?? '' })).rejects.toMatchObject({ status: 403 })
  await product.client().organizations.create({ slug: 'contoso', name: 'Contoso' })
  const other = reader.alerts.get({ alert: alert?.id ?? '', organization: 'contoso' })
  await expect(other).rejects.toMatchObject({ status: 404 })
})

test('the command line: look, acknowledge, and say what suspends', async () => {
  await using stage = await startWith()
  await stage.call(1, { tool: 'delete_invoice' })
  await using terminal = await openTerminal(stage.product)
  const listed = await terminal.valetkey(['alert', 'ls', '--open'])
  expect(listed.out).toContain('new_tool\tsupport-bot used srv_billing/delete_invoice')
  const id = /alr_\w+/.exec(listed.out)?.[0] ?? ''
  expect((await terminal.valetkey(['alert', 'show', id])).err).toMatch(/valetkey why dec_/)
  expect(await terminal.valetkey(['alert', 'ack', id, '--note', 'expected'])).toMatchObject({ code: 0 })
  expect((await terminal.valetkey(['alert', 'ls', '--open'])).out).not.toContain(id)
  const policy = await terminal.valetkey(['alert', 'policy', '--suspend-on', 'burst', '--burst-factor', '8'])
  expect(policy.out).toContain('suspends on\tburst')
  expect((await terminal.valetkey(['alert', 'policy'])).out).toBe(policy.out)
  expect((await terminal.valetkey(['alert', 'policy', '--suspend-on', 'boredom'])).code).not.toBe(0)
})

test('200: an alert is forgotten after 400 days, or with the calls that it rests on; that it was raised stays on record', async () => {
  await using stage = await startWith()
  const { product } = stage
  const admin = product.client()
  const rounds = async (days: number) => {
    product.passTime(days * DAY_MS)
    await product.baseline.wake()
  }
  const kinds = async () => (await alertsOf(product)).map(({ kind }) => kind).toSorted()
  await stage.call(1, { tool: 'delete_invoice' })
  await rounds(399)
  expect(await kinds()).toEqual(['new_tool'])
  await rounds(2)
  expect(await kinds()).toEqual([])
  expect((await product.events()).filter(({ type }) => type === 'alert.raised')).toHaveLength(1)

  await stage.call(1, { tool: 'merge_invoices' })
  const [first] = await alertsOf(product)
  await admin.organizations.create({ slug: 'contoso', name: 'Contoso' })
  const keep = (organization: string, records: 'calls' | 'changes', days: number) =>
    admin.evidence.setRetention({ organization, records, days })
  await keep('contoso', 'calls', 30)
  await keep('northwind', 'changes', 30)
  await rounds(31)
  expect((await alertsOf(product)).map(({ id }) => id)).toContain(first?.id)
  await keep('northwind', 'calls', 30)
  await rounds(1)
  expect(await kinds()).toEqual([])
})

test('200: an alert that still asks for a suspension is not forgotten', async () => {
  await using stage = await startWith()
  const { product, agent, organization } = stage
  const raisedAt = new Date(product.now() - 500 * DAY_MS).toISOString()
  const row = {
    ...{ organizationId: organization.id, agentId: agent.id, kind: 'burst', at: raisedAt, raisedAt },
    ...{ sentence: 'A burst.', usual: '', what: '[]', records: '[]' },
    ...{ acknowledgedAt: null, acknowledgedBy: null, note: null },
  }
  await product.store.db
    .insertInto('alert')
    .values([
      { ...row, id: newId('alert'), suspension: 'none' },
      { ...row, id: newId('alert'), suspension: 'pending' },
    ])
    .execute()
  product.passTime(DAY_MS)
  await product.baseline.wake()
  // Suspended in the same round; from the next one on it is as old as any.
  expect(await alertsOf(product)).toMatchObject([{ suspension: 'done' }])
  expect(await product.client().agents.get({ id: agent.id })).toMatchObject({ status: 'suspended' })
  product.passTime(DAY_MS)
  await product.baseline.wake()
  expect(await alertsOf(product)).toEqual([])
})
