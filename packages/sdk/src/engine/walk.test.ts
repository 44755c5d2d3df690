import { expect, test } from 'vitest'
import { CATALOGUE, type CatalogueOp, type OrganizationOp } from '../core/index.ts'
import { pathOfLink } from './chain.ts'
import { mayObtain, ruleFor } from './decide.ts'
import { type Caller, createSnapshot, type DecisionRequest, decide, mayUse, type Snapshot } from './index.ts'

const NOW = 1_800_000_000_000
const ORG = 'org_1'

const tool = (name: string, more: object) =>
  ({
    ...{ id: `tol_${name}`, server: 'srv_1', kind: 'prompt', name, permission: 'p:read', definition: null },
    ...{ inputSchema: null, resource: null, condition: null, risk: 'read', mode: null, ...more },
  }) as const

const catalogue: CatalogueOp[] = [
  {
    fact: 'server',
    id: 'srv_1',
    value: { id: 'srv_1', name: 's', url: 'https://s.test/mcp', mode: 'enforce', status: 'active' },
  },
  {
    fact: 'permission',
    id: 'prm_1',
    value: { id: 'prm_1', slug: 'p:read', type: 'organization', bit: 0, risk: 'read', condition: null },
  },
  {
    fact: 'permission',
    id: 'prm_2',
    value: {
      ...{ id: 'prm_2', slug: 'p:own', type: 'organization', bit: 1, risk: 'read' },
      condition: 'subject.type == "user" && subject.id == "usr_1"',
    },
  },
  {
    fact: 'resource_type',
    id: 'rty_1',
    value: { id: 'rty_1', slug: 'customer', parents: ['organization'], instances: 'registered' },
  },
  {
    fact: 'role',
    id: 'rol_1',
    value: { id: 'rol_1', slug: 'r', type: 'organization', permissions: ['p:read', 'p:own'] },
  },
  ...[
    tool('t', {}),
    tool('of', { resource: 'customer/{args.id}' }),
    tool('some', { resource: 'customer/*' }),
    tool('shut', { frozen: true }),
    tool('watched', { mode: 'audit' }),
    tool('watched-shut', { mode: 'audit', frozen: true }),
    tool('own', { permission: 'p:own' }),
  ].map((value): CatalogueOp => ({ fact: 'tool', id: value.id, value: value as never })),
]

const principal = (id: string, seq: number, more: object = {}) =>
  op('principal', id, { id, seq, kind: id.startsWith('usr') ? 'user' : 'agent', name: id, ...alive, ...more })
const alive = { status: 'active' }
const credential = (id: string, agent: string, more: object = {}) =>
  op('credential', id, { id, agent, expiresAt: null, ...more })
const link = (id: string, more: object = {}) => {
  const [from, to] = id === 'lnk_1' ? ['agt_1', 'agt_2'] : ['agt_2', 'agt_3']
  const [parent, hops] = id === 'lnk_1' ? [null, 2] : ['lnk_1', 1]
  return op('link', id, {
    ...{ id, from, to, parent, hops, grant: null, credential: from.replace('agt', 'crd') },
    ...{ scopes: ['p:*'], resources: [1], condition: null, expiresAt: NOW + 1000 },
    ...more,
  })
}
const agent = (id: string, owner: string, ceiling = ['p:*']) =>
  op('agent', id, { id, principal: id, owner, kind: 'both', ceiling })
const assignment = (who: number, resource = 1) =>
  op('assignment', `asg_${who}`, {
    ...{ id: `asg_${who}`, principal: who, resource, role: 'rol_1', source: 'direct' },
    ...{ expiresAt: null, createdBy: 'usr_1' },
  })

function op(fact: string, id: string, value: object | null): OrganizationOp {
  return { fact, id, value } as OrganizationOp
}

/** Agent 1 lets agent 2 act, and that one agent 3; each holds the permission itself. Agent 1 has an owner of its own. */
function world(...changes: OrganizationOp[]): Snapshot {
  const snapshot = createSnapshot()
  snapshot.load({ organization: CATALOGUE, revision: 1, ops: catalogue })
  const ops: OrganizationOp[] = [
    op('organization', ORG, { id: ORG, slug: 'o', status: 'active' }),
    op('resource', '1', { type: 'organization', rows: [[1, 'o', null]] }),
    op('resource', '2', {
      type: 'rty_1',
      rows: [
        [2, 'acme', 1],
        [3, 'globex', 1],
      ],
    }),
    ...[principal('usr_1', 1), principal('usr_2', 5)],
    ...[principal('agt_1', 2), principal('agt_2', 3), principal('agt_3', 4)],
    ...[agent('agt_1', 'usr_2'), agent('agt_2', 'usr_1'), agent('agt_3', 'usr_1')],
    ...[1, 2, 3].map(n => credential(`crd_${n}`, `agt_${n}`)),
    ...[1, 2, 3, 4].map(who => assignment(who)),
    ...[link('lnk_1'), link('lnk_2')],
  ]
  snapshot.load({ organization: ORG, revision: 1, ops })
  snapshot.apply({ organization: ORG, revision: 2, ops: changes })
  return snapshot
}

const last: Caller = {
  ...{ organization: ORG, agent: 'agt_3', credential: 'crd_3', client: 'c', token: 'jti_1' },
  ...{ scopes: ['p:*'], expiresAt: NOW + 1000, person: null, grant: null, chain: ['lnk_1', 'lnk_2'] },
}

const ask = (more: Partial<Caller> = {}, name = 't', args = {}): DecisionRequest => ({
  ...{ id: 'dec_1', now: NOW, server: 'srv_1', caller: { ...last, ...more } },
  action: { kind: 'prompt', name, arguments: args, definition: null },
})

const said = (snapshot: Snapshot, more: Partial<Caller> = {}, name?: string) => {
  const { reason, detail } = decide(ask(more, name), snapshot)
  return [reason, detail]
}

test('a chain lets its last agent act as long as everybody in it is alive and every link continues the one before', () => {
  expect(said(world())).toEqual(['permitted', null])
  const ended: [OrganizationOp, string, string][] = [
    [op('link', 'lnk_1', null), 'revoked', 'the delegation'],
    [link('lnk_1', { frozen: true }), 'frozen', 'the delegation'],
    [credential('crd_1', 'agt_1', { frozen: true }), 'frozen', 'the credential that delegated'],
    [op('credential', 'crd_1', null), 'revoked', 'the agent that delegated'],
    [principal('agt_1', 2, { status: 'retired' }), 'revoked', 'the agent that delegated'],
    [principal('agt_1', 2, { status: 'suspended' }), 'suspended', 'agent agt_1, which delegated,'],
    [
      principal('usr_2', 5, { status: 'suspended' }),
      'suspended',
      'the owner of agent agt_1, which delegated, is gone: it',
    ],
    // One that is no continuation: as many hops as the one before, from another link, from somebody else.
    [link('lnk_2', { hops: 2 }), 'revoked', 'the delegation'],
    [link('lnk_2', { parent: null }), 'revoked', 'the delegation'],
    [link('lnk_2', { from: 'agt_1' }), 'revoked', 'the delegation'],
    [link('lnk_2', { grant: 'gnt_1' }), 'revoked', 'the delegation'],
    [link('lnk_1', { parent: 'lnk_2' }), 'revoked', 'the delegation'],
  ]
  for (const [change, reason, detail] of ended)
    expect(said(world(change)), JSON.stringify(change)).toEqual([reason, detail])
  // It ends with another agent than the one that calls.
  expect(said(world(), { chain: ['lnk_1'] })).toEqual(['revoked', 'the delegation'])
  expect(said(world(), { chain: ['lnk_2'] })).toEqual(['revoked', 'the delegation'])
})

test('a ceiling that is too low is said with the agent whose it is', () => {
  const short = (id: string) => said(world(agent(id, 'usr_1', ['q:*'])))
  expect(short('agt_3')).toEqual(['agent_ceiling', 'p:read'])
  expect(short('agt_1')).toEqual(['agent_ceiling', 'agent agt_1: p:read'])
})

test('a list by a chain needs something that all of them reach, not one thing each', () => {
  expect(said(world(), {}, 'some')).toEqual(['permitted', null])
  expect(said(world(assignment(2, 2), assignment(4, 2)), {}, 'some')).toEqual(['permitted', null])
  const apart = world(assignment(2, 2), assignment(4, 3))
  expect(said(apart, {}, 'some')).toEqual(['agent_lacks_permission', 'p:read on customer/*'])
  // Alone, each may list what it reaches.
  expect(said(apart, { chain: [] }, 'some')).toEqual(['permitted', null])
})

test('a list for a person needs something that agent, person and grant all reach', () => {
  const value = { id: 'gnt_1', agent: 'agt_3', person: 'usr_1', scopes: ['p:*'], expiresAt: null }
  const grant = op('grant', 'gnt_1', { ...value, resources: [2] })
  const list = (...changes: OrganizationOp[]) =>
    said(world(grant, ...changes), { chain: [], person: 'usr_1', grant: 'gnt_1' }, 'some')
  expect(list()).toEqual(['permitted', null])
  expect(list(assignment(1, 2), assignment(4, 2))).toEqual(['permitted', null])
  expect(list(op('assignment', 'asg_1', null))).toEqual(['user_lacks_permission', 'p:read on customer/*'])
  // The agent, or the person, holds it on another customer than the grant is for.
  for (const who of [1, 4]) expect(list(assignment(who, 3))).toEqual(['grant_resource', 'customer/*'])
})

test('the condition of a permission is about the person where there is one, else about the agent', () => {
  const value = {
    id: 'gnt_1',
    agent: 'agt_3',
    person: 'usr_1',
    scopes: ['p:*'],
    resources: [1],
    expiresAt: null,
  }
  const snapshot = world(op('grant', 'gnt_1', value))
  const forMe = { chain: [], person: 'usr_1', grant: 'gnt_1' }
  expect(said(snapshot, forMe, 'own')).toEqual(['permitted', null])
  expect(said(snapshot, { chain: [] }, 'own')[0]).toBe('condition_failed')
})

test('a tool that is frozen is closed for everybody', () => {
  expect(said(world(), {}, 'shut')).toEqual(['frozen', 'prompt shut'])
  expect(said(world(), { chain: [] }, 'shut')).toEqual(['frozen', 'prompt shut'])
})

test('a tool that is frozen is on no list, also where nothing else is hidden', () => {
  const isListed = (name: string) => mayUse(world(), ask(), { kind: 'prompt', name, definition: null })
  expect(['t', 'shut', 'watched', 'watched-shut'].map(isListed)).toEqual([true, false, true, false])
})

test('the leg that failed is named, explained or not', () => {
  for (const explain of [false, true]) {
    expect(decide(ask(), world(), explain).failed).toBeNull()
    expect(decide(ask({}, 'shut'), world(), explain).failed).toBe('tool')
    expect(decide(ask({ scopes: [] }), world(), explain).failed).toBe('scope')
  }
})

test('the way to a link is every link from the root on, or none where one is gone or they go in a circle', () => {
  const path = (snapshot: Snapshot, id: string) => {
    const view = snapshot.organization(ORG)
    return view && pathOfLink(view, id)?.map(fact => fact.id)
  }
  expect(path(world(), 'lnk_2')).toEqual(['lnk_1', 'lnk_2'])
  expect(path(world(), 'lnk_1')).toEqual(['lnk_1'])
  expect(path(world(), 'lnk_3')).toBeUndefined()
  expect(path(world(op('link', 'lnk_1', null)), 'lnk_2')).toBeUndefined()
  expect(path(world(link('lnk_1', { parent: 'lnk_2' })), 'lnk_2')).toBeUndefined()
})

test('a scope is worth asking for where all but the token let the caller act', () => {
  const may = (more: Partial<Caller>, name?: string, args?: object) =>
    mayObtain(world(), ask({ scopes: [], chain: [], ...more }, name, args))
  expect(may({})).toBe(true)
  expect(may({}, 'of', { id: 'acme' })).toBe(true)
  expect(may({}, 'of', { id: 'nobody' })).toBe(false)
  expect(may({}, 'unknown')).toBe(false)
  expect(may({ organization: 'org_9' })).toBe(false)
  // It says that it acts for somebody, and nothing says so here.
  expect(may({ person: 'usr_1' })).toBe(false)
})

test('an agent that nobody knows obtains nothing, whatever a person would lend it', () => {
  const value = { id: 'gnt_1', agent: 'agt_9', person: 'usr_1', scopes: [], resources: [1], expiresAt: null }
  const snapshot = world(op('grant', 'gnt_1', { ...value, lends: true }))
  const more = { scopes: [], chain: [], person: 'usr_1', grant: 'gnt_1' }
  expect(mayObtain(snapshot, ask(more))).toBe(true)
  expect(mayObtain(snapshot, ask({ ...more, agent: 'agt_9' }))).toBe(false)
})

test('a rule is found by its server, kind and name', () => {
  expect(ruleFor(world(), 'srv_1', { kind: 'prompt', name: 't' })?.fact.id).toBe('tol_t')
  expect(ruleFor(world(), 'srv_1', { kind: 'tool', name: 't' })).toBeUndefined()
  expect(ruleFor(world(), 'srv_9', { kind: 'prompt', name: 't' })).toBeUndefined()
})
