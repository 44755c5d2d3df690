import { expect, describe as group, test } from 'vitest'
import {
  CATALOGUE,
  type CatalogueOp,
  ENVIRONMENT,
  type GrantFact,
  type OrganizationOp,
  type ResourceRow,
} from '../core/index.ts'
import {
  createSnapshot,
  type DecisionRequest,
  decide,
  filterFor,
  judgeAgent,
  mayObtain,
  mayUse,
} from './index.ts'

const NOW = 1_800_000_000_000

function type(slug: string, parents: string[], instances: 'registered' | 'open' = 'registered'): CatalogueOp {
  return { fact: 'resource_type', id: `rty_${slug}`, value: { id: `rty_${slug}`, slug, parents, instances } }
}

function role(slug: string, of: string, permissions: string[]): CatalogueOp {
  return { fact: 'role', id: `rol_${slug}`, value: { id: `rol_${slug}`, slug, type: of, permissions } }
}

function tool(name: string, permission: string, resource: string | null): CatalogueOp {
  const rest = { definition: null, inputSchema: null, condition: null, risk: 'read', mode: null } as const
  const value = { id: name, server: 'srv_1', kind: 'prompt', name, permission, resource, ...rest } as const
  return { fact: 'tool', id: name, value }
}

const catalogue: CatalogueOp[] = [
  {
    fact: 'permission',
    id: 'prm_invoice_read',
    value: {
      id: 'prm_invoice_read',
      slug: 'invoice:read',
      type: 'rty_invoice',
      bit: 0,
      risk: 'read',
      condition: null,
    },
  },
  {
    fact: 'permission',
    id: 'prm_customer_read',
    value: {
      id: 'prm_customer_read',
      slug: 'customer:read',
      type: 'rty_customer',
      bit: 0,
      risk: 'read',
      condition: null,
    },
  },
  {
    fact: 'permission',
    id: 'prm_file_read',
    value: {
      id: 'prm_file_read',
      slug: 'file:read',
      type: 'rty_file',
      bit: 0,
      risk: 'read',
      condition: null,
    },
  },
  {
    fact: 'server',
    id: 'srv_1',
    value: { id: 'srv_1', name: 'desk', url: 'https://d.example/mcp', mode: 'enforce', status: 'active' },
  },
  type('customer', ['organization']),
  type('invoice', ['rty_customer']),
  type('ticket', ['rty_customer']),
  type('file', ['organization', 'rty_customer'], 'open'),
  role('reader', 'rty_customer', ['invoice:read', 'customer:read', 'file:read']),
  role('auditor', 'organization', ['invoice:read', 'file:read']),
  role('payer', 'rty_invoice', ['invoice:pay']),
  {
    fact: 'permission',
    id: 'prm_pay',
    value: {
      id: 'prm_pay',
      slug: 'invoice:pay',
      type: 'rty_invoice',
      bit: 0,
      risk: 'dangerous',
      condition: 'action.properties.amount < 100',
    },
  },
  tool('get_invoice', 'invoice:read', 'customer/{args.customer}/invoice/{args.id}'),
  tool('get_by_id', 'invoice:read', 'invoice/{args.id}'),
  tool('get_many', 'invoice:read', 'invoice/{args.ids}'),
  tool('get_items', 'invoice:read', 'invoice/{args.items.*.id}'),
  tool('list_invoices', 'invoice:read', 'invoice/*'),
  tool('list_of_customer', 'invoice:read', 'customer/{args.customer}/invoice/*'),
  tool('pay', 'invoice:pay', 'invoice/{args.id}'),
  tool('export_all', 'invoice:read', null),
  tool('read_file', 'file:read', 'file/{args.path}'),
  tool('read_customer_file', 'file:read', 'customer/{args.customer}/file/{args.path}'),
]

const ACME = 2
const GLOBEX = 3
const rows: Record<string, readonly ResourceRow[]> = {
  organization: [[1, 'northwind', null]],
  rty_customer: [
    [ACME, 'acme', 1],
    [GLOBEX, 'globex', 1],
  ],
  rty_invoice: [
    [4, 'INV-1', ACME],
    [5, 'INV-2', GLOBEX],
    [6, 'a/b', ACME],
  ],
}

function principal(
  id: string,
  seq: number,
  kind: 'user' | 'agent',
  status = 'active' as const,
): OrganizationOp {
  return { fact: 'principal', id, value: { id, seq, kind, name: id, status } }
}

function assign(to: number, slug: string, resource: number, expiresAt: number | null = null): OrganizationOp {
  const id = `asg_${to}_${slug}_${resource}`
  const value = { id, principal: to, resource, role: `rol_${slug}`, expiresAt, createdBy: 'usr_1' }
  return { fact: 'assignment', id, value: { ...value, source: 'direct' } }
}

const BOT = 2
const MAYA = 1

function northwind(...more: OrganizationOp[]) {
  const snapshot = createSnapshot()
  snapshot.load({ organization: CATALOGUE, revision: 1, ops: catalogue })
  const ops: OrganizationOp[] = [
    { fact: 'organization', id: 'org_1', value: { id: 'org_1', slug: 'northwind', status: 'active' } },
    principal('usr_1', MAYA, 'user'),
    principal('agt_1', BOT, 'agent'),
    {
      fact: 'agent',
      id: 'agt_1',
      value: {
        id: 'agt_1',
        principal: 'agt_1',
        owner: 'usr_1',
        kind: 'both',
        ceiling: ['invoice:*', 'file:*'],
      },
    },
    { fact: 'credential', id: 'crd_1', value: { id: 'crd_1', agent: 'agt_1', expiresAt: null } },
    ...Object.entries(rows).map(
      ([of, list]): OrganizationOp => ({
        fact: 'resource',
        id: String(list[0]?.[0]),
        value: { type: of, rows: list },
      }),
    ),
    ...more,
  ]
  snapshot.load({ organization: 'org_1', revision: 1, ops })
  return snapshot
}

const grant = (
  resources: number[],
  scopes = ['invoice:*'],
  expiresAt: number | null = null,
  more: Partial<GrantFact> = {},
): OrganizationOp => ({
  fact: 'grant',
  id: 'gnt_1',
  value: { id: 'gnt_1', agent: 'agt_1', person: 'usr_1', scopes, resources, expiresAt, ...more },
})

function call(
  name: string,
  args: DecisionRequest['action']['arguments'] = {},
  caller: Partial<DecisionRequest['caller']> = {},
): DecisionRequest {
  return {
    id: 'dec_1',
    now: NOW,
    server: 'srv_1',
    caller: {
      organization: 'org_1',
      agent: 'agt_1',
      credential: 'crd_1',
      client: 'agt_1',
      token: 'jti_1',
      scopes: ['invoice:*', 'file:*'],
      expiresAt: NOW + 60_000,
      person: null,
      grant: null,
      chain: [],
      ...caller,
    },
    action: { kind: 'prompt', name, arguments: args, definition: null },
  }
}

const forMaya = { person: 'usr_1', grant: 'gnt_1' }
const onAcme = northwind(assign(BOT, 'reader', ACME))
const reasonOf = (request: DecisionRequest, snapshot = onAcme) => decide(request, snapshot).reason

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
        principal: 'agt_1',
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
    expect(decide(call('get_by_id', { id: '' }), onAcme).resource).toBeNull()
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
    expect(reasonOf(call('export_all'))).toBe('agent_lacks_permission')
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

group('acting for a person', () => {
  const both = [assign(BOT, 'auditor', 1), assign(MAYA, 'reader', ACME)]
  const ask = (id: string) => call('get_by_id', { id }, forMaya)

  test('both must hold it, and the grant must name it', () => {
    const snapshot = northwind(...both, grant([1]))
    expect(reasonOf(ask('INV-1'), snapshot)).toBe('permitted')
    expect(reasonOf(ask('INV-2'), snapshot)).toBe('user_lacks_permission')
    const agentLacks = northwind(assign(MAYA, 'auditor', 1), grant([1]))
    expect(reasonOf(ask('INV-1'), agentLacks)).toBe('agent_lacks_permission')
    const elsewhere = northwind(assign(BOT, 'auditor', 1), assign(MAYA, 'auditor', 1), grant([GLOBEX]))
    expect(reasonOf(ask('INV-1'), elsewhere)).toBe('grant_resource')
    expect(filterFor(elsewhere, ask('INV-1'), 'invoice:read').roots).toEqual([
      { type: 'customer', id: 'globex' },
    ])
  })

  test('a role that the person loses is lost to the agent at the next revision', () => {
    const snapshot = northwind(...both, grant([1]))
    const ops: OrganizationOp[] = [{ fact: 'assignment', id: `asg_${MAYA}_reader_${ACME}`, value: null }]
    snapshot.apply({ organization: 'org_1', revision: 2, ops })
    expect(reasonOf(ask('INV-1'), snapshot)).toBe('user_lacks_permission')
  })

  test('a grant that is missing, ended, of another agent or of fewer scopes gives nothing', () => {
    expect(reasonOf(ask('INV-1'), northwind(...both))).toBe('revoked')
    expect(reasonOf(ask('INV-1'), northwind(...both, grant([1], ['invoice:*'], NOW)))).toBe('revoked')
    expect(reasonOf(ask('INV-1'), northwind(...both, grant([1], ['file:read'])))).toBe('scope_missing')
    const alone = call('get_by_id', { id: 'INV-1' }, { person: 'usr_1' })
    expect(reasonOf(alone, northwind(...both, grant([1])))).toBe('revoked')
    expect(
      reasonOf(call('get_by_id', { id: 'INV-1' }, { grant: 'gnt_1' }), northwind(...both, grant([1]))),
    ).toBe('revoked')
  })

  test('a grant for one server opens no other, and what it holds for a while ends by itself', () => {
    const elsewhere = northwind(...both, grant([1], ['invoice:*'], null, { server: 'srv_2' }))
    expect(reasonOf(ask('INV-1'), elsewhere)).toBe('revoked')
    const here = northwind(...both, grant([1], ['invoice:*'], null, { server: 'srv_1' }))
    expect(reasonOf(ask('INV-1'), here)).toBe('permitted')
    const elevated = northwind(...both, grant([1], [], null, { elevated: { 'invoice:read': NOW + 1 } }))
    expect(reasonOf(ask('INV-1'), elevated)).toBe('permitted')
    expect(filterFor(elevated, ask('INV-1'), 'invoice:read').roots).toHaveLength(1)
    const later = { ...ask('INV-1'), now: NOW + 1 }
    expect(reasonOf(later, elevated)).toBe('scope_missing')
    expect(filterFor(elevated, later, 'invoice:read').roots).toEqual([])
    const odd = northwind(...both, grant([1], [], null, { elevated: {} }))
    const named = call('get_by_id', { id: 'INV-1' }, { ...forMaya, scopes: ['constructor', 'invoice:*'] })
    expect(reasonOf(named, odd)).toBe('scope_missing')
  })

  test('a list goes by what all three have in common', () => {
    const apart = northwind(assign(BOT, 'reader', GLOBEX), assign(MAYA, 'reader', ACME), grant([1]))
    const list = call('list_invoices', {}, forMaya)
    expect(reasonOf(list, apart)).not.toBe('permitted')
    expect(mayUse(apart, list, { kind: 'prompt', name: 'list_invoices', definition: null })).toBe(false)
    expect(filterFor(apart, list, 'invoice:read').roots).toEqual([])
    expect(mayObtain(northwind(...both, grant([1], ['file:read'])), ask('INV-1'))).toBe(true)
    expect(mayObtain(northwind(...both, grant([1], ['file:read'])), ask('INV-2'))).toBe(false)
  })

  test('an agent that has all from the person could be given what the person holds', () => {
    const one = [assign(MAYA, 'reader', ACME)]
    const lent = grant([1], ['file:read'], null, { lends: true })
    expect(mayObtain(northwind(...one, grant([1], ['file:read'])), ask('INV-1'))).toBe(false)
    expect(mayObtain(northwind(...one, lent), ask('INV-1'))).toBe(true)
    expect(mayObtain(northwind(...one, lent), ask('INV-2'))).toBe(false)
    expect(mayObtain(northwind(lent), ask('INV-1'))).toBe(false)
    // So that it can ask at all, what it could be given is in the lists that it is shown.
    const shown = (...facts: Parameters<typeof northwind>) =>
      mayUse(northwind(...facts), ask('INV-1'), { kind: 'prompt', name: 'get_by_id', definition: null })
    expect(shown(...one, lent)).toBe(true)
    expect(shown(...one, grant([1], ['file:read']))).toBe(false)
    expect(shown(lent)).toBe(false)
    expect(shown(...one, grant([GLOBEX], ['file:read'], null, { lends: true }))).toBe(false)
    const through = { ...ask('INV-1'), caller: { ...ask('INV-1').caller, chain: ['dlg_1'] } }
    expect(mayObtain(northwind(...one, lent), through)).toBe(false)
  })
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

group('a question without a tool', () => {
  const all = [assign(BOT, 'auditor', 1), assign(MAYA, 'reader', ACME)]
  const asked = (snapshot: ReturnType<typeof northwind>) => {
    const view = snapshot.organization('org_1')
    const permission = snapshot.catalogue.permissions.get('invoice:read')
    const type = snapshot.catalogue.typesBySlug.get('invoice')
    if (!view || !permission || !type) throw new Error('unreachable: both were loaded')
    const [principal, agent] = [view.principals.get('usr_1'), view.principals.get('agt_1')]
    const target = { type, id: 'INV-1', seq: view.tree.find(type.number, 'INV-1') }
    return judgeAgent(view, { principal, permission, target, now: NOW }, agent)
  }

  test('an agent for a person needs what the person holds, the same itself, and the leave of the person', () => {
    expect(asked(northwind(...all, grant([1])))).toBe('permitted')
    expect(asked(northwind(assign(BOT, 'auditor', 1), grant([1])))).toBe('permission_missing')
    expect(asked(northwind(assign(MAYA, 'reader', ACME), grant([1])))).toBe('agent_lacks_permission')
    expect(asked(northwind(...all))).toBe('revoked')
    expect(asked(northwind(...all, grant([1], ['file:*'])))).toBe('scope_missing')
    expect(asked(northwind(...all, grant([GLOBEX])))).toBe('grant_resource')
  })

  test('the leave to call one server is none for anything else', () => {
    expect(asked(northwind(...all, grant([1], ['invoice:*'], null, { server: 'srv_1' })))).toBe('revoked')
  })

  test('leave that is frozen is none, and while everything is frozen nobody has any', () => {
    expect(asked(northwind(...all, grant([1], ['invoice:*'], null, { frozen: true })))).toBe('revoked')
    const snapshot = northwind(...all, grant([1]))
    const { revision } = snapshot.catalogue
    const environment = (value: { status: 'frozen' } | null) =>
      ({ fact: 'environment', id: ENVIRONMENT, value }) as const
    snapshot.apply({
      organization: CATALOGUE,
      revision: revision + 1,
      ops: [environment({ status: 'frozen' })],
    })
    expect(asked(snapshot)).toBe('frozen')
    snapshot.apply({ organization: CATALOGUE, revision: revision + 2, ops: [environment(null)] })
    expect(asked(snapshot)).toBe('permitted')
  })
})
