import { expect, test } from 'vitest'
import { CATALOGUE, type CatalogueOp, type OrganizationOp } from '../core/index.ts'
import { type Caller, decide, mayObtain, mayUse, ruleFor } from './index.ts'
import { ask, assignment, op, said, world } from './testing/delegation.ts'

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
  expect(may({ person: 'usr_1', grant: 'gnt_9' })).toBe(false)
})

test('a scope is worth nothing for a permission that is not known any more, and on a server that nobody knows', () => {
  const snapshot = world()
  const request = ask({ scopes: [], chain: [] })
  expect(mayObtain(snapshot, { ...request, server: 'srv_9' })).toBe(false)
  expect(mayObtain(snapshot, request)).toBe(true)
  const ops: CatalogueOp[] = [{ fact: 'permission', id: 'prm_1', value: null }]
  snapshot.apply({ organization: CATALOGUE, revision: 2, ops })
  expect(mayObtain(snapshot, request)).toBe(false)
})

test('what is lacked is said with the resource, or alone where all of the organization is meant', () => {
  const alone = (name: string, args = {}) =>
    said(world(op('assignment', 'asg_4', null)), { chain: [] }, name, args)
  expect(alone('t')).toEqual(['agent_lacks_permission', 'p:read'])
  expect(alone('of', { id: 'acme' })).toEqual(['agent_lacks_permission', 'p:read on customer/acme'])
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
