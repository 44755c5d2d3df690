import { expect, test } from 'vitest'
import { type AgentFact, CATALOGUE, type Change, OrganizationOp } from '../core/index.ts'
import { createSnapshot, decide, listPrincipals, type Snapshot } from './index.ts'
import { ACME, assign, BOT, call, forMaya, GLOBEX, grant, MAYA, NOW, northwind } from './testing/northwind.ts'

const group: OrganizationOp = {
  fact: 'principal',
  id: 'grp_1',
  value: { id: 'grp_1', seq: 9, kind: 'group', name: 'desk', status: 'active' },
}
const member: OrganizationOp = { fact: 'member', id: 'mem_1', value: { group: 9, member: BOT } }
const ownRole: OrganizationOp = {
  fact: 'role',
  id: 'rol_own',
  value: { id: 'rol_own', slug: 'own', type: 'rty_customer', permissions: ['invoice:read'] },
}
const link: OrganizationOp = {
  fact: 'link',
  id: 'dlg_1',
  value: {
    ...{ id: 'dlg_1', from: 'agt_1', to: 'agt_2', parent: null, grant: null, credential: 'crd_1' },
    ...{ scopes: ['invoice:read'], resources: [ACME], condition: null, hops: 0, expiresAt: NOW + 1000 },
  },
}
const denied = (frozen: boolean): OrganizationOp => ({
  fact: 'revoked_token',
  id: `jti_${frozen}`,
  value: { id: `jti_${frozen}`, expiresAt: NOW + 1000, ...(frozen && { frozen: true }) },
})
const EVERYTHING = [
  ...[group, member, ownRole, assign(BOT, 'own', ACME), assign(9, 'reader', ACME), grant([ACME]), link],
  ...[denied(true), denied(false)],
]

const factsOf = (snapshot: Snapshot) => snapshot.facts('org_1') as Change & { ops: OrganizationOp[] }
const factOf = (op: OrganizationOp['fact'], id: string) =>
  factsOf(northwind()).ops.find(one => one.fact === op && one.id === id) as OrganizationOp
function apply(snapshot: Snapshot, ...ops: OrganizationOp[]): void {
  const revision = snapshot.revisionOf('org_1') ?? 0
  expect(snapshot.apply({ organization: 'org_1', revision: revision + 1, ops })).toBe(true)
}
const reasonOf = (snapshot: Snapshot, caller = {}) =>
  decide(call('get_by_id', { id: 'INV-1' }, caller), snapshot).reason

test('what is held of an organization is told as the facts that it was told of, each once, and makes it again', () => {
  const first = northwind(...EVERYTHING)
  const facts = factsOf(first)
  const told = new Set(facts.ops.map(({ fact, id }) => `${fact} ${id}`))
  expect(told.size).toBe(facts.ops.length)
  for (const op of EVERYTHING) expect(facts.ops).toContainEqual(op)
  for (const op of facts.ops) expect(OrganizationOp.parse(op)).toEqual(op)
  const again = createSnapshot()
  again.load(first.facts(CATALOGUE) as Change)
  again.load(facts)
  expect(again.facts('org_1')).toEqual(facts)
})

test('whatever is taken away is told no more, and what comes anew counts at once', () => {
  const name = ({ fact, id }: OrganizationOp) => `${fact} ${id}`
  for (const op of factsOf(northwind(...EVERYTHING)).ops) {
    const snapshot = northwind(...EVERYTHING)
    apply(snapshot, { ...op, value: null } as OrganizationOp)
    expect(factsOf(snapshot).ops.map(name)).not.toContain(name(op))
    apply(snapshot, op)
    expect(factsOf(snapshot).ops).toContainEqual(op)
  }
})

test('with a resource goes whatever was given on it and below it, and nothing else', () => {
  const given = [assign(BOT, 'reader', ACME), assign(BOT, 'payer', 4), assign(BOT, 'reader', GLOBEX)]
  const snapshot = northwind(...given)
  apply(snapshot, { fact: 'resource', id: String(ACME), value: null })
  const left = factsOf(snapshot).ops.filter(({ fact }) => fact === 'assignment')
  expect(left).toEqual([assign(BOT, 'reader', GLOBEX)])
})

test('resources that are none change nothing', () => {
  const snapshot = northwind()
  const before = factsOf(snapshot).ops
  apply(snapshot, { fact: 'resource', id: '9', value: { type: 'rty_customer', rows: [] } })
  expect(factsOf(snapshot).ops).toEqual(before)
})

test('a fact of a kind that is not known here is not passed over', () => {
  const odd = { fact: 'planet', id: 'pla_1', value: null } as unknown as OrganizationOp
  expect(() => apply(northwind(), odd)).toThrow(/^unreachable: .*planet/)
  expect(() => apply(northwind(), odd)).toThrow(expect.objectContaining({ code: 'internal' }))
})

test('an agent that has called is decided anew after anything of it has changed', () => {
  const changes: [string, OrganizationOp, string][] = [
    ['its credential is gone', { fact: 'credential', id: 'crd_1', value: null }, 'revoked'],
    [
      'its credential is another agent’s',
      { fact: 'credential', id: 'crd_1', value: { id: 'crd_1', agent: 'agt_2', expiresAt: null } },
      'revoked',
    ],
    ['it is gone', { fact: 'agent', id: 'agt_1', value: null }, 'revoked'],
    ['its principal is gone', { fact: 'principal', id: 'agt_1', value: null }, 'revoked'],
    ['its owner is gone', { fact: 'principal', id: 'usr_1', value: null }, 'suspended'],
  ]
  for (const [what, op, reason] of changes) {
    const snapshot = northwind(assign(BOT, 'reader', ACME))
    expect(reasonOf(snapshot)).toBe('permitted')
    apply(snapshot, op)
    expect(reasonOf(snapshot), what).toBe(reason)
    apply(snapshot, factOf(op.fact, op.id))
    expect(reasonOf(snapshot), what).toBe('permitted')
  }
})

test('each credential of an agent counts until it is gone itself, whenever it came', () => {
  const credential = (id: string, agent: string | null): OrganizationOp => ({
    ...{ fact: 'credential', id },
    value: agent === null ? null : { id, agent, expiresAt: null },
  })
  const snapshot = northwind(assign(BOT, 'reader', ACME))
  const reasons = () => ['crd_1', 'crd_2'].map(id => reasonOf(snapshot, { credential: id }))
  expect(reasons()).toEqual(['permitted', 'revoked'])
  apply(snapshot, credential('crd_2', 'agt_1'))
  expect(reasons()).toEqual(['permitted', 'permitted'])
  apply(snapshot, credential('crd_1', 'agt_2'))
  expect(reasons()).toEqual(['revoked', 'permitted'])
  apply(snapshot, credential('crd_1', 'agt_1'), credential('crd_2', null))
  expect(reasons()).toEqual(['permitted', 'revoked'])
})

test('an agent that called before it had any credential is heard with its first', () => {
  const agent = factOf('agent', 'agt_1').value as AgentFact
  const snapshot = northwind(
    {
      fact: 'principal',
      id: 'agt_2',
      value: { id: 'agt_2', seq: 3, kind: 'agent', name: 'b', status: 'active' },
    },
    { fact: 'agent', id: 'agt_2', value: { ...agent, id: 'agt_2', principal: 'agt_2' } },
    assign(3, 'reader', ACME),
  )
  const caller = { agent: 'agt_2', credential: 'crd_2' }
  expect(reasonOf(snapshot, caller)).toBe('revoked')
  apply(snapshot, {
    fact: 'credential',
    id: 'crd_2',
    value: { id: 'crd_2', agent: 'agt_2', expiresAt: null },
  })
  expect(reasonOf(snapshot, caller)).toBe('permitted')
})

test('what a group was given is its members’ from when it comes, and no more when it is gone, idle or another', () => {
  const groupOf = (seq: number, status: 'active' | 'suspended' = 'active'): OrganizationOp => ({
    ...{ fact: 'principal', id: 'grp_1' },
    value: { id: 'grp_1', seq, kind: 'group', name: 'desk', status },
  })
  const snapshot = northwind(member, assign(9, 'reader', ACME))
  const steps: [OrganizationOp, string][] = [
    [groupOf(9), 'permitted'],
    [{ ...groupOf(9), value: null } as OrganizationOp, 'agent_lacks_permission'],
    [groupOf(9), 'permitted'],
    [groupOf(9, 'suspended'), 'agent_lacks_permission'],
    [groupOf(9), 'permitted'],
    [groupOf(10), 'agent_lacks_permission'],
    [groupOf(9), 'permitted'],
  ]
  expect(reasonOf(snapshot)).toBe('agent_lacks_permission')
  for (const [op, reason] of steps) {
    apply(snapshot, op)
    expect(reasonOf(snapshot), JSON.stringify(op)).toBe(reason)
  }
})

test('what was given to a number that is nobody’s is held by nobody', () => {
  const snapshot = northwind(assign(BOT, 'reader', ACME), assign(30, 'reader', ACME))
  const view = snapshot.organization('org_1')
  const question = { permission: 'invoice:read', resource: ACME, now: NOW }
  const holders = view && listPrincipals(view, question).map(({ principal }) => principal)
  expect(holders).toEqual([BOT])
})

test('a number that a principal leaves is nobody’s, and what was given to it goes with it', () => {
  const snapshot = northwind(assign(BOT, 'reader', ACME))
  expect(reasonOf(snapshot)).toBe('permitted')
  const moved = { id: 'agt_1', seq: 30, kind: 'agent', name: 'agt_1', status: 'active' } as const
  apply(snapshot, { fact: 'principal', id: 'agt_1', value: moved })
  expect(reasonOf(snapshot)).toBe('agent_lacks_permission')
  expect(snapshot.organization('org_1')?.principalAt[BOT]).toBeUndefined()
  expect(snapshot.organization('org_1')?.principalAt[30]).toEqual(moved)
})

test('the person behind a grant is the one of today', () => {
  const snapshot = northwind(assign(BOT, 'reader', ACME), assign(MAYA, 'reader', ACME), grant([1]))
  expect(reasonOf(snapshot, forMaya)).toBe('permitted')
  const maya = { id: 'usr_1', seq: MAYA, kind: 'user', name: 'usr_1', status: 'suspended' } as const
  apply(snapshot, { fact: 'principal', id: 'usr_1', value: maya })
  expect(reasonOf(snapshot, forMaya)).toBe('suspended')
  apply(snapshot, { fact: 'principal', id: 'usr_1', value: { ...maya, status: 'active' } })
  expect(reasonOf(snapshot, forMaya)).toBe('permitted')
})

test('a grant may come before the person behind it, and outlive it', () => {
  const maya = factOf('principal', 'usr_1')
  const gone = { ...maya, value: null } as OrganizationOp
  const snapshot = northwind(gone, assign(BOT, 'reader', ACME), assign(MAYA, 'reader', ACME), grant([1]))
  expect(reasonOf(snapshot, forMaya)).toBe('suspended')
  apply(snapshot, maya)
  expect(reasonOf(snapshot, forMaya)).toBe('permitted')
  apply(snapshot, gone)
  expect(reasonOf(snapshot, forMaya)).toBe('suspended')
})

test('an own role counts for what was given before it came, is narrowed at once, and gives nothing once it is gone', () => {
  const snapshot = northwind(assign(BOT, 'own', ACME))
  expect(reasonOf(snapshot)).toBe('agent_lacks_permission')
  apply(snapshot, ownRole)
  expect(reasonOf(snapshot)).toBe('permitted')
  const narrow = { id: 'rol_own', slug: 'own', type: 'rty_customer', permissions: ['customer:read'] }
  apply(snapshot, { fact: 'role', id: 'rol_own', value: narrow })
  expect(reasonOf(snapshot)).toBe('agent_lacks_permission')
  apply(snapshot, ownRole)
  apply(snapshot, { fact: 'role', id: 'rol_own', value: null })
  expect(reasonOf(snapshot)).toBe('agent_lacks_permission')
})

test('an own role that comes changes nothing for who has another', () => {
  const snapshot = northwind(assign(BOT, 'reader', ACME))
  const narrow = { id: 'rol_own', slug: 'own', type: 'rty_customer', permissions: ['customer:read'] }
  apply(snapshot, { fact: 'role', id: 'rol_own', value: narrow })
  expect(reasonOf(snapshot)).toBe('permitted')
})

test('a token that is frozen is refused until it is thawed, one that is revoked for good', () => {
  const snapshot = northwind(assign(BOT, 'reader', ACME), denied(true), denied(false))
  expect(reasonOf(snapshot, { token: 'jti_true' })).toBe('frozen')
  expect(reasonOf(snapshot, { token: 'jti_false' })).toBe('revoked')
  apply(snapshot, { fact: 'revoked_token', id: 'jti_true', value: null })
  expect(reasonOf(snapshot, { token: 'jti_true' })).toBe('permitted')
  apply(snapshot, { ...denied(false), id: 'jti_true' } as OrganizationOp)
  expect(reasonOf(snapshot, { token: 'jti_true' })).toBe('revoked')
})
