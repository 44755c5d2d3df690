import { newId } from '@valetkey/sdk/core'
import { expect, test } from 'vitest'
import { prune } from '../../packages/server/src/feed/index.ts'
import { attempt } from '../storage/audit-samples.ts'
import { ship } from '../storage/shipping.ts'
import { INVOICE_RULE, northwind, type Product, start } from './product.ts'
import { openTerminal } from './terminal.ts'

const DAY_MS = 24 * 3_600_000
const TOOL = {
  ...INVOICE_RULE,
  name: 'get_customer',
  permission: 'customers:read',
  resource: 'customer/{args.id}',
}

/** Northwind with customers, of whom the support bot may read one. */
async function stage(product: Product) {
  const world = await northwind(product)
  const admin = product.client()
  await admin.resourceTypes.create({ slug: 'customer' })
  await admin.permissions.create({ slug: 'customers:read', type: 'customer', risk: 'read' })
  await admin.roles.create({ slug: 'reader', type: 'customer', permissions: ['customers:read'] })
  await admin.agents.update({ id: 'support-bot', ceiling: ['invoices:*', 'customers:*'] })
  for (const id of ['acme', 'globex']) await admin.resources.put({ type: 'customer', id, name: id })
  await admin.tools.map({ server: 'billing', ...TOOL })
  const given = await admin.assignments.create({
    principal: 'support-bot',
    role: 'reader',
    resource: 'customer/acme',
  })
  let counter = 0

  /** A call that an enforcement point would decide and record at this moment. */
  async function call(name: string, id: string) {
    const args = { id }
    const decided = await admin.decisions.check({
      agent: 'support-bot',
      server: 'billing',
      name,
      arguments: args,
    })
    const { permission, resource, decision, reason, detail, mode, assignments, revision } = decided
    const record = attempt(++counter, {
      ...{ id: decided.id, at: new Date(product.now()).toISOString(), organization: world.organization.id },
      ...{
        agent: world.agent.id,
        credential: world.credential.id,
        client: world.agent.id,
        owner: world.maya.id,
      },
      ...{ chain: [], scopes: ['invoices:*', 'customers:*'], server: world.server.id, tool: name },
      ...{ arguments: args, definition: INVOICE_RULE.definition },
      ...{ permission, resource, decision, reason, detail, mode, assignments, revision },
    })
    await ship(product.audit, 'pnt_1', 1, [record])
    return record
  }
  return { ...world, admin, given, call }
}

test('a decision is rebuilt with the policy of its moment, whatever was changed since, and however long ago', async () => {
  await using product = await start()
  const { admin, given, call, assignment } = await stage(product)
  const calls = [
    await call('get_customer', 'acme'),
    await call('get_customer', 'globex'),
    await call('get_customer', 'nobody'),
    await call('get_invoice', '7'),
    await call('unmapped', '7'),
  ]
  const rounds: (() => Promise<unknown>)[] = [
    () => admin.assignments.remove({ id: given.id }),
    () => admin.roles.update({ id: 'clerk', permissions: [] }),
    () => admin.assignments.create({ principal: 'support-bot', role: 'reader', resource: 'customer/globex' }),
    () => admin.resources.remove({ resource: 'customer/acme', cascade: 'true' }),
    // The name is given anew, and inherits nothing.
    () => admin.resources.put({ type: 'customer', id: 'acme', name: 'Another' }),
    () => admin.tools.map({ server: 'billing', ...TOOL, condition: 'args.id == "globex"' }),
    () => admin.agents.suspend({ id: 'support-bot' }),
    () => admin.agents.resume({ id: 'support-bot', reason: 'looked into' }),
    () => admin.assignments.remove({ id: assignment.id }),
    () => admin.tools.unmap({ server: 'billing', id: 'get_invoice' }),
  ]
  for (const change of rounds) {
    product.passTime(DAY_MS)
    await change()
    for (const [name, id] of [
      ['get_customer', 'acme'],
      ['get_customer', 'globex'],
      ['get_invoice', '7'],
    ] as const)
      calls.push(await call(name, id))
  }
  const rebuildAll = async () => {
    for (const { id, decision, reason } of calls)
      expect(await admin.decisions.rebuild({ id }), `${id} ${reason}`).toMatchObject({
        ...{ agrees: true, note: null },
        explanation: {
          decision,
          reason,
          legs: expect.arrayContaining([expect.objectContaining({ leg: 'state' })]),
        },
      })
  }
  expect(new Set(calls.map(({ reason }) => reason)).size).toBeGreaterThanOrEqual(5)
  await rebuildAll()
  // What enforcement points need no more is put away.
  product.passTime(60 * DAY_MS)
  await prune(product.store, product.now())
  const { rows } = await product.store.db
    .selectFrom('changeLog')
    .select(eb => eb.fn.countAll<number>().as('rows'))
    .executeTakeFirstOrThrow()
  expect(rows).toBe(0)
  await rebuildAll()
})

test('a record that says another thing than the policy of its moment is found out', async () => {
  await using product = await start()
  const { admin, call } = await stage(product)
  const honest = await call('get_customer', 'globex')
  const bent = {
    ...honest,
    id: newId('decision'),
    decision: 'permit' as const,
    reason: 'permitted',
  }
  await ship(product.audit, 'pnt_2', 1, [bent])
  const rebuilt = await admin.decisions.rebuild({ id: bent.id })
  expect(rebuilt).toMatchObject({ agrees: false, explanation: { decision: 'deny', reason: honest.reason } })
  expect(rebuilt.note).toContain('the record or the history was changed')
  await using terminal = await openTerminal(product)
  const why = await terminal.valetkey(['why', honest.id], { isTerminal: true, columns: 120 })
  expect(why.out).toContain('Decided again with the policy of that moment, it comes out the same:')
  expect((await terminal.valetkey(['why', bent.id], { isTerminal: true })).out).toContain(
    'it comes out differently',
  )
})

test('what cannot be decided again says why', async () => {
  await using product = await start()
  const { admin, call } = await stage(product)
  const real = await call('get_customer', 'acme')
  const variants: [Partial<typeof real>, RegExp][] = [
    [{ reason: 'stale', decision: 'deny' }, /before the policy was asked/],
    [{ agent: null }, /Nobody was identified/],
    [{ revision: { catalogue: 1, organization: 999 } }, /not all kept/],
  ]
  for (const [i, [fields, note]] of variants.entries()) {
    const id = newId('decision')
    await ship(product.audit, `pnt_v${i}`, 1, [{ ...real, ...fields, id }])
    expect(await admin.decisions.rebuild({ id })).toEqual({
      ...{ explanation: null, agrees: null },
      note: expect.stringMatching(note),
    })
  }
  await admin.evidence.erase({ record: real.id, reason: 'asked' })
  const erased = await admin.decisions.rebuild({ id: real.id })
  expect(erased.agrees).toBe(false)
  expect(erased.note).toContain('erased')
  await expect(admin.decisions.rebuild({ id: 'dec_01mb78qn00adkad1tj6d294yk5' })).rejects.toMatchObject({
    status: 404,
  })
  await expect(product.client('agent:read').decisions.rebuild({ id: real.id })).rejects.toMatchObject({
    status: 403,
  })
})
