import { expect, describe as group, test } from 'vitest'
import { CATALOGUE, type CatalogueOp, type OrganizationOp } from '../core/index.ts'
import { createSnapshot, type DecisionRequest, decide, mayUse, type Snapshot } from './index.ts'
import { assignment, BOT, mayaAndHerBot, NOW, requestOfBot } from './testing/facts.ts'

const catalogue: CatalogueOp[] = [
  {
    fact: 'permission',
    id: 'prm_invoices_refund',
    value: {
      id: 'prm_invoices_refund',
      slug: 'invoices:refund',
      type: 'organization',
      bit: 0,
      risk: 'read',
      condition: null,
    },
  },
  {
    fact: 'resource_type',
    id: 'rty_1',
    value: { id: 'rty_1', slug: 'customer', parents: ['organization'], instances: 'registered' },
  },
  {
    fact: 'server',
    id: 'srv_1',
    value: { id: 'srv_1', name: 'billing', url: 'https://b.example/mcp', mode: 'enforce', status: 'active' },
  },
  {
    fact: 'tool',
    id: 't_1',
    value: {
      id: 't_1',
      server: 'srv_1',
      kind: 'tool',
      name: 'refund',
      permission: 'invoices:refund',
      definition: 'sha256-a',
      inputSchema: {
        type: 'object',
        properties: { customer: { type: 'string' }, amount: { type: 'number' } },
        required: ['customer', 'amount'],
      },
      resource: 'customer/{args.customer}',
      condition: 'args.amount <= 100',
      risk: 'dangerous',
      mode: null,
    },
  },
  {
    fact: 'tool',
    id: 't_2',
    value: {
      id: 't_2',
      server: 'srv_1',
      kind: 'resource',
      name: 'file:///pub/*',
      permission: 'invoices:refund',
      definition: null,
      inputSchema: null,
      resource: null,
      condition: null,
      risk: 'read',
      mode: null,
    },
  },
  {
    fact: 'role',
    id: 'rol_1',
    value: { id: 'rol_1', slug: 'clerk', type: 'organization', permissions: ['invoices:refund'] },
  },
]

const organization: OrganizationOp[] = [
  ...mayaAndHerBot({ kind: 'autonomous', ceiling: ['invoices:*'] }),
  { fact: 'resource', id: '1', value: { type: 'organization', rows: [[1, 'northwind', null]] } },
  { fact: 'resource', id: '2', value: { type: 'rty_1', rows: [[2, 'acme', 1]] } },
  assignment('asg_1', { principal: BOT, resource: 1, role: 'rol_1', expiresAt: NOW + 1000 }),
]

function northwind(...more: OrganizationOp[]): Snapshot {
  const snapshot = createSnapshot()
  snapshot.load({ organization: CATALOGUE, revision: 7, ops: catalogue })
  snapshot.load({ organization: 'org_1', revision: 3, ops: [...organization, ...more] })
  return snapshot
}

function refund(change: Partial<DecisionRequest['action']> = {}, caller = {}, now = NOW): DecisionRequest {
  const args = { customer: 'acme', amount: 5 }
  const action = { kind: 'tool' as const, name: 'refund', arguments: args, definition: 'sha256-a', ...change }
  return { ...requestOfBot(action, { scopes: ['invoices:*'], ...caller }), now }
}

test('a mapped tool, a role and a scope permit, and the decision names who gave the role', () => {
  expect(decide(refund(), northwind())).toMatchObject({
    decision: 'permit',
    reason: 'permitted',
    resource: 'customer/acme',
    assignments: [{ id: 'asg_1', role: 'clerk', createdBy: 'usr_1' }],
    revision: { catalogue: 7, organization: 3 },
  })
})

group('refused, with the reason', () => {
  const cases: [string, DecisionRequest, string][] = [
    ['a tool nobody mapped', refund({ name: 'drop_db' }), 'tool_unmapped'],
    ['a definition that changed', refund({ definition: 'sha256-b' }), 'tool_changed'],
    ['a definition nobody saw', refund({ definition: null }), 'tool_changed'],
    ['a missing argument', refund({ arguments: { customer: 'acme' } }), 'arguments_invalid'],
    [
      'an unknown argument',
      refund({ arguments: { customer: 'acme', amount: 5, force: true } }),
      'arguments_invalid',
    ],
    ['a token without the scope', refund({}, { scopes: ['invoices:read'] }), 'scope_missing'],
    ['a scope that only looks alike', refund({}, { scopes: ['invoices'] }), 'scope_missing'],
    [
      'an argument that names no resource',
      refund({ arguments: { customer: '', amount: 5 } }),
      'resource_unknown',
    ],
    [
      'a condition that does not hold',
      refund({ arguments: { customer: 'acme', amount: 500 } }),
      'condition_failed',
    ],
    ['a role that has ended', refund({}, {}, NOW + 1000), 'agent_lacks_permission'],
    ['a token past its end', refund({}, { expiresAt: NOW }), 'revoked'],
    ['an agent nobody knows', refund({}, { agent: 'agt_9' }), 'revoked'],
    ["another agent's credential", refund({}, { credential: 'crd_9' }), 'revoked'],
    ['an organization that is not loaded', refund({}, { organization: 'org_2' }), 'stale'],
  ]
  test.each(cases)('%s', (_, request, reason) => {
    expect(decide(request, northwind())).toMatchObject({ decision: 'deny', reason })
  })

  const states: [string, OrganizationOp, string][] = [
    [
      'a suspended agent',
      {
        fact: 'principal',
        id: 'agt_1',
        value: { id: 'agt_1', seq: 2, kind: 'agent', name: 'bot', status: 'suspended' },
      },
      'suspended',
    ],
    ['an agent whose owner left', { fact: 'principal', id: 'usr_1', value: null }, 'suspended'],
    ['a revoked credential', { fact: 'credential', id: 'crd_1', value: null }, 'revoked'],
    [
      'a ceiling that was lowered after the token was issued',
      {
        fact: 'agent',
        id: 'agt_1',
        value: {
          id: 'agt_1',
          principal: 'agt_1',
          owner: 'usr_1',
          kind: 'autonomous',
          ceiling: ['invoices:read'],
        },
      },
      'agent_ceiling',
    ],
    [
      'a revoked token',
      { fact: 'revoked_token', id: 'jti_1', value: { id: 'jti_1', expiresAt: NOW + 60_000 } },
      'revoked',
    ],
    [
      'a frozen organization',
      { fact: 'organization', id: 'org_1', value: { id: 'org_1', slug: 'northwind', status: 'frozen' } },
      'frozen',
    ],
  ]
  test.each(states)('%s, at the very next revision', (_, op, reason) => {
    const snapshot = northwind()
    expect(decide(refund(), snapshot).decision).toBe('permit')
    expect(snapshot.apply({ organization: 'org_1', revision: 4, ops: [op] })).toBe(true)
    expect(decide(refund(), snapshot)).toMatchObject({
      decision: 'deny',
      reason,
      revision: { organization: 4 },
    })
  })
})

test('a role that is narrowed is narrower at the very next revision of the catalogue', () => {
  const snapshot = northwind()
  expect(decide(refund(), snapshot).decision).toBe('permit')
  const narrowed = { id: 'rol_1', slug: 'clerk', type: 'organization', permissions: [] }
  snapshot.apply({
    organization: CATALOGUE,
    revision: 8,
    ops: [{ fact: 'role', id: 'rol_1', value: narrowed }],
  })
  expect(decide(refund(), snapshot)).toMatchObject({
    reason: 'agent_lacks_permission',
    revision: { catalogue: 8 },
  })
  snapshot.load({ organization: CATALOGUE, revision: 9, ops: catalogue })
  expect(decide(refund(), snapshot).decision).toBe('permit')
})

test('a resource pattern does not let a second spelling climb out of it', () => {
  const read = (name: string) =>
    decide(refund({ kind: 'resource', name, arguments: {} }), northwind()).decision
  expect(read('file:///pub/a.txt')).toBe('permit')
  expect(read('file:///pub/..a/b..c?d=..e')).toBe('permit')
  for (const name of [
    'file:///pub/../etc/passwd',
    'file:///pub/%2e%2e/etc/passwd',
    'file:///PUB/a',
    'file:///pub/..%2fetc',
    'file:///pub/?/../../etc/passwd',
    'file:///pub/#/../../etc/passwd',
  ])
    expect(read(name), name).toBe('deny')
})

test('explain walks the same way and says what was not reached', () => {
  const decision = decide(refund({ arguments: { customer: 'acme', amount: 500 } }), northwind(), true)
  expect(decision.legs.map(leg => leg.result)).toEqual([
    'passed',
    'passed',
    'passed',
    'passed',
    'passed',
    'passed',
    'passed',
    'passed',
    'failed',
  ])
  expect(decision.legs[0]).toEqual({ leg: 'state', result: 'passed', detail: null })
  expect(decision.legs[8]).toEqual({ leg: 'condition', result: 'failed', detail: 'args.amount <= 100' })
  expect(decision.missing).toBeNull()
  const early = decide(refund({ name: 'drop_db' }), northwind(), true)
  expect(early.legs[1]).toEqual({ leg: 'tool', result: 'failed', detail: 'drop_db' })
  expect(early.legs[2]).toEqual({ leg: 'arguments', result: 'not_reached', detail: null })
  expect(early.legs.slice(1).map(leg => leg.result)).toEqual([
    'failed',
    'not_reached',
    'not_reached',
    'not_reached',
    'not_reached',
    'not_reached',
    'not_reached',
    'not_reached',
  ])
})

test('what is missing is said where it was asked for', () => {
  const late = refund({}, {}, NOW + 1000)
  expect(decide(late, northwind()).missing).toBeNull()
  expect(decide(late, northwind(), true).missing).toMatchObject({
    principal: 'bot',
    permission: 'invoices:refund',
  })
  expect(decide(refund(), northwind(), true).missing).toBeNull()
})

test('a gap between revisions is not applied', () => {
  const snapshot = northwind()
  expect(snapshot.apply({ organization: 'org_1', revision: 5, ops: [] })).toBe(false)
  expect(snapshot.revisionOf('org_1')).toBe(3)
  expect(snapshot.apply({ organization: 'org_1', revision: 2, ops: [] })).toBe(true)
  expect(snapshot.revisionOf('org_1')).toBe(3)
})

test('a list shows what the caller could use after asking for a scope within its ceiling, and nothing else', () => {
  const { caller, server, now } = refund({}, { scopes: [] })
  const tool = { kind: 'tool', name: 'refund', definition: 'sha256-a' } as const
  expect(mayUse(northwind(), { caller, server, now }, tool)).toBe(true)
  expect(mayUse(northwind(), { caller, server, now }, { ...tool, name: 'drop_db' })).toBe(false)
  expect(mayUse(northwind(), { caller, server, now: NOW + 1000 }, tool)).toBe(false)
})

test('a list shows no tool whose definition nobody approved, nor one that is not the approved one', () => {
  const { caller, server, now } = refund()
  const tool = { kind: 'tool', name: 'refund', definition: 'sha256-a' } as const
  const snapshot = northwind()
  for (const definition of ['sha256-b', null])
    expect(mayUse(snapshot, { caller, server, now }, { ...tool, definition })).toBe(false)
  const refunding = catalogue.find(
    (op): op is CatalogueOp & { fact: 'tool' } => op.fact === 'tool' && op.id === 't_1',
  )
  const unapproved = { ...refunding, value: { ...refunding?.value, definition: null } } as CatalogueOp
  snapshot.apply({ organization: CATALOGUE, revision: 8, ops: [unapproved] })
  for (const definition of ['sha256-a', null])
    expect(mayUse(snapshot, { caller, server, now }, { ...tool, definition })).toBe(false)
})

test("a permission that is not known (any more) is nobody's, whatever roles still say", () => {
  const snapshot = northwind()
  const ops: CatalogueOp[] = [{ fact: 'permission', id: 'prm_invoices_refund', value: null }]
  snapshot.apply({ organization: CATALOGUE, revision: 8, ops })
  expect(decide(refund(), snapshot)).toMatchObject({ decision: 'deny', reason: 'tool_unmapped' })
  const { caller, server, now } = refund()
  const tool = { kind: 'tool', name: 'refund', definition: 'sha256-a' } as const
  expect(mayUse(snapshot, { caller, server, now }, tool)).toBe(false)
})

group('bounds beside scopes', () => {
  const held: OrganizationOp = {
    fact: 'assignment',
    id: 'asg_2',
    value: {
      ...{ id: 'asg_2', principal: 1, resource: 1, role: 'rol_1', source: 'direct', expiresAt: null },
      createdBy: 'usr_1',
    },
  }
  const globex: OrganizationOp = {
    fact: 'resource',
    id: '3',
    value: { type: 'rty_1', rows: [[3, 'globex', 1]] },
  }
  const letBy = (tools?: string[]): Snapshot =>
    northwind(held, globex, {
      fact: 'grant',
      id: 'gnt_1',
      value: {
        ...{ id: 'gnt_1', agent: 'agt_1', person: 'usr_1', scopes: ['invoices:*'], resources: [1] },
        ...{ expiresAt: null, ...(tools && { tools }) },
      },
    })
  const forMaya = { person: 'usr_1', grant: 'gnt_1' }
  const reasonOf = (snapshot: Snapshot, bounds?: object, change = {}) =>
    decide(refund(change, { ...forMaya, ...(bounds && { bounds }) }), snapshot).reason

  test('a grant, or a token, for other tools is none for this one, and for no tool at all', () => {
    expect(reasonOf(letBy())).toBe('permitted')
    expect(reasonOf(letBy(['refund']))).toBe('permitted')
    expect(reasonOf(letBy(['other']))).toBe('grant_tool')
    expect(reasonOf(letBy([]))).toBe('grant_tool')
    expect(reasonOf(letBy(['refund']), { tools: ['other'], resources: null })).toBe('grant_tool')
    expect(reasonOf(letBy(), { tools: ['refund'], resources: null })).toBe('permitted')
    const read = { kind: 'resource', name: 'file:///pub/a', arguments: {}, definition: null }
    expect(reasonOf(letBy(), undefined, read)).toBe('permitted')
    expect(reasonOf(letBy(['file:///pub/a']), undefined, read)).toBe('grant_tool')
  })

  test('a token for a resource opens it and what lies below; one that is gone opens nothing', () => {
    const on = (...resources: string[]) => reasonOf(letBy(), { tools: null, resources })
    expect(on('customer/acme')).toBe('permitted')
    expect(on('organization/northwind')).toBe('permitted')
    for (const refs of [['customer/globex'], ['customer/gone'], ['acme'], []])
      expect(on(...refs)).toBe('grant_resource')
  })

  test('lists show what the bounds leave', () => {
    const tool = { kind: 'tool', name: 'refund', definition: 'sha256-a' } as const
    const shown = (snapshot: Snapshot, bounds?: object) =>
      mayUse(snapshot, refund({}, { ...forMaya, ...(bounds && { bounds }) }), tool)
    expect(shown(letBy())).toBe(true)
    expect(shown(letBy(['other']))).toBe(false)
    expect(shown(letBy(), { tools: ['other'], resources: null })).toBe(false)
    expect(shown(letBy(), { tools: null, resources: ['customer/acme'] })).toBe(true)
    expect(shown(letBy(), { tools: null, resources: [] })).toBe(false)
  })
})
