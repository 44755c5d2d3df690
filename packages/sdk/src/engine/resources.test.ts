import { expect, describe as group, test } from 'vitest'
import { CATALOGUE, type CatalogueOp, type OrganizationOp } from '../core/index.ts'
import { decide, filterFor, mayUse } from './index.ts'
import { ACME, assign, BOT, call, GLOBEX, NOW, northwind, onAcme, reasonOf } from './testing/northwind.ts'

group('the resource that the arguments name', () => {
  test('is allowed by a role given above it, and recorded with its path', () => {
    expect(decide(call('get_by_id', { id: 'INV-1' }), onAcme)).toMatchObject({
      decision: 'permit',
      resource: 'customer/acme/invoice/INV-1',
      assignments: [{ id: `asg_2_reader_${ACME}`, role: 'reader' }],
    })
  })

  test('is refused beside it, and explained', () => {
    const decision = decide(call('get_by_id', { id: 'INV-2' }), onAcme, true)
    expect(decision).toMatchObject({
      reason: 'agent_lacks_permission',
      detail: 'invoice:read on customer/globex/invoice/INV-2',
      missing: {
        principal: 'bot',
        path: ['invoice/INV-2', 'customer/globex', 'organization/northwind'],
        near: [],
        wouldAllow: [
          { role: 'reader', on: 'customer/globex', alsoGives: ['customer:read', 'file:read'] },
          { role: 'auditor', on: 'organization/northwind', alsoGives: ['file:read'] },
        ],
      },
    })
  })

  test('must lie where the template says', () => {
    expect(reasonOf(call('get_invoice', { customer: 'acme', id: 'INV-1' }))).toBe('permitted')
    expect(reasonOf(call('get_invoice', { customer: 'acme', id: 'INV-2' }))).toBe('resource_unknown')
  })

  test('must exist, by exactly that id', () => {
    for (const id of ['INV-9', 'inv-1', 'INV-1/', '../INV-1', '', '*', null, {}, true])
      expect(reasonOf(call('get_by_id', { id })), JSON.stringify(id)).toBe('resource_unknown')
    expect(decide(call('get_by_id', { id: 'a/b' }), onAcme).resource).toBe('customer/acme/invoice/a%2Fb')
  })

  test('that there is none of is named all the same, as it was sought', () => {
    const decided = decide(call('get_invoice', { customer: 'acme', id: 'INV/2' }), onAcme)
    expect(decided).toMatchObject({
      reason: 'resource_unknown',
      resource: 'customer/acme/invoice/INV%2F2',
      detail: 'there is no customer/acme/invoice/INV%2F2 here',
    })
    const sought = (length: number) =>
      decide(call('get_by_id', { id: 'x'.repeat(length - 'invoice/'.length) }), onAcme).resource
    expect(sought(1_024)).toMatch(/x$/)
    expect(sought(5_000)).toMatch(/^.{1024}…$/)
    expect(decide(call('get_by_id', { id: '' }), onAcme)).toMatchObject({
      resource: null,
      detail: 'the arguments do not name invoice/{args.id}',
    })
    expect(decide(call('list_of_customer', { customer: 'nobody' }), onAcme)).toMatchObject({
      resource: 'customer/nobody/invoice/*',
      detail: 'there is no customer/nobody/invoice/* here',
    })
  })

  test('is gone with everything above it, and its number is not inherited', () => {
    const snapshot = northwind(assign(BOT, 'reader', ACME))
    const ops: OrganizationOp[] = [{ fact: 'resource', id: String(ACME), value: null }]
    snapshot.apply({ organization: 'org_1', revision: 2, ops })
    expect(reasonOf(call('get_by_id', { id: 'INV-1' }), snapshot)).toBe('resource_unknown')
    const again: OrganizationOp[] = [
      { fact: 'resource', id: '7', value: { type: 'rty_customer', rows: [[7, 'acme', 1]] } },
      { fact: 'resource', id: '8', value: { type: 'rty_invoice', rows: [[8, 'INV-1', 7]] } },
    ]
    snapshot.apply({ organization: 'org_1', revision: 3, ops: again })
    expect(reasonOf(call('get_by_id', { id: 'INV-1' }), snapshot)).toBe('agent_lacks_permission')
  })

  test('takes its rights from where it was moved to', () => {
    const snapshot = northwind(assign(BOT, 'reader', ACME))
    const ops: OrganizationOp[] = [
      { fact: 'resource', id: '4', value: { type: 'rty_invoice', rows: [[4, 'INV-1', GLOBEX]] } },
    ]
    snapshot.apply({ organization: 'org_1', revision: 2, ops })
    expect(reasonOf(call('get_by_id', { id: 'INV-1' }), snapshot)).toBe('agent_lacks_permission')
  })
})

group('several resources in one call', () => {
  test('all of them must pass', () => {
    expect(decide(call('get_many', { ids: ['INV-1', 'a/b'] }), onAcme)).toMatchObject({
      decision: 'permit',
      resource: 'customer/acme/invoice/INV-1',
      otherResources: ['customer/acme/invoice/a%2Fb'],
    })
    expect(reasonOf(call('get_many', { ids: ['INV-1', 'INV-2'] }))).toBe('agent_lacks_permission')
    expect(reasonOf(call('get_items', { items: [{ id: 'INV-1' }, { id: 'INV-2' }] }))).toBe(
      'agent_lacks_permission',
    )
    expect(reasonOf(call('get_items', { items: [{ id: 'INV-1' }, {}] }))).toBe('resource_unknown')
  })

  test('each assignment that carried it is named once, however many it carried', () => {
    const carried = (...given: OrganizationOp[]) =>
      decide(call('get_many', { ids: ['INV-1', 'a/b'] }), northwind(...given)).assignments.map(({ id }) => id)
    const [below, above] = [assign(BOT, 'reader', ACME), assign(BOT, 'auditor', 1)]
    expect(carried(below)).toEqual([below.id])
    expect(carried(below, above)).toEqual([below.id, above.id])
  })

  test('none, or more than a thousand, name nothing', () => {
    expect(reasonOf(call('get_many', { ids: [] }))).toBe('resource_unknown')
    expect(reasonOf(call('get_many', { ids: Array(1001).fill('INV-1') }))).toBe('resource_unknown')
    expect(reasonOf(call('get_many', { ids: [['INV-1']] }))).toBe('resource_unknown')
  })
})

group('a tool that lists', () => {
  test('may be called where some resource is within reach, and is told which', () => {
    expect(decide(call('list_invoices'), onAcme)).toMatchObject({ decision: 'permit', resource: 'invoice/*' })
    expect(filterFor(onAcme, call('list_invoices'), 'invoice:read')).toEqual({
      all: false,
      roots: [{ type: 'customer', id: 'acme' }],
    })
    const customer = (id: string) => reasonOf(call('list_of_customer', { customer: id }))
    expect(customer('acme')).toBe('permitted')
    expect(customer('globex')).toBe('agent_lacks_permission')
  })

  test('is refused where nothing is', () => {
    expect(reasonOf(call('list_invoices'), northwind())).toBe('agent_lacks_permission')
    expect(filterFor(northwind(), call('list_invoices'), 'invoice:read')).toEqual({ all: false, roots: [] })
  })

  test('a tool that names no resource concerns the whole organization', () => {
    const lacks = { reason: 'agent_lacks_permission', detail: 'invoice:read', resource: null }
    expect(decide(call('export_all'), onAcme)).toMatchObject(lacks)
    const auditor = northwind(assign(BOT, 'auditor', 1))
    expect(reasonOf(call('export_all'), auditor)).toBe('permitted')
    expect(filterFor(auditor, call('export_all'), 'invoice:read')).toEqual({ all: true, roots: [] })
  })
})

test('an open type is decided on the resource that it is named under', () => {
  expect(reasonOf(call('read_file', { path: '/etc/passwd' }))).toBe('agent_lacks_permission')
  expect(decide(call('read_customer_file', { customer: 'acme', path: 'a.txt' }), onAcme)).toMatchObject({
    decision: 'permit',
    resource: 'customer/acme/file/a.txt',
  })
  expect(decide(call('read_file', { path: '/a' }), northwind(assign(BOT, 'auditor', 1)))).toMatchObject({
    decision: 'permit',
    resource: 'file/%2Fa',
  })
})

test('the condition of a permission on an open type sees what is named, not what it is named under', () => {
  const onFiles = 'resource.type == "file" && resource.id == "a.txt"'
  const value = { id: 'prm_file_read', slug: 'file:read', type: 'rty_file', bit: 0, risk: 'read' } as const
  const snapshot = northwind(assign(BOT, 'reader', ACME))
  snapshot.apply({
    organization: CATALOGUE,
    revision: 2,
    ops: [{ fact: 'permission', id: value.id, value: { ...value, condition: onFiles } }],
  })
  const read = (path: string) => reasonOf(call('read_customer_file', { customer: 'acme', path }), snapshot)
  expect([read('a.txt'), read('b.txt')]).toEqual(['permitted', 'condition_failed'])
})

test('the condition of a permission sees the agent that acts by itself, the permission and the resource', () => {
  const seen = (condition: string) => {
    const value = { id: 'prm_pay', slug: 'invoice:pay', type: 'rty_invoice', bit: 0, risk: 'read' } as const
    const snapshot = northwind(assign(BOT, 'payer', 4))
    const ops: CatalogueOp[] = [{ fact: 'permission', id: value.id, value: { ...value, condition } }]
    snapshot.apply({ organization: CATALOGUE, revision: 2, ops })
    return reasonOf(call('pay', { id: 'INV-1' }), snapshot)
  }
  expect(seen('subject.type == "agent" && subject.id == "agt_1"')).toBe('permitted')
  expect(seen('action.name == "invoice:pay"')).toBe('permitted')
  expect(seen('resource.type == "invoice" && resource.id == "INV-1"')).toBe('permitted')
  expect(seen('resource.id == "INV-2"')).toBe('condition_failed')
})

test('the condition of a permission holds for every tool that needs it', () => {
  const payer = northwind(assign(BOT, 'payer', 4))
  expect(reasonOf(call('pay', { id: 'INV-1', amount: 50 }), payer)).toBe('permitted')
  expect(reasonOf(call('pay', { id: 'INV-1', amount: 500 }), payer)).toBe('condition_failed')
  expect(reasonOf(call('pay', { id: 'INV-1' }), payer)).toBe('condition_failed')
  expect(filterFor(payer, call('pay'), 'invoice:pay')).toEqual({ all: false, roots: [] })
})

test('a list of tools shows what some resource could be found for', () => {
  const shown = (snapshot: ReturnType<typeof northwind>, name: string) =>
    mayUse(snapshot, call(name), { kind: 'prompt', name, definition: null })
  expect(shown(onAcme, 'get_by_id')).toBe(true)
  expect(shown(onAcme, 'list_invoices')).toBe(true)
  expect(shown(onAcme, 'read_customer_file')).toBe(true)
  expect(shown(onAcme, 'read_file')).toBe(false)
  expect(shown(onAcme, 'export_all')).toBe(false)
  expect(shown(northwind(assign(BOT, 'reader', ACME, NOW)), 'get_by_id')).toBe(false)
})
