import { expect, test } from 'vitest'
import type { OrganizationOp } from '../core/index.ts'
import { filterFor, mayObtain, pathOfLink, type Snapshot } from './index.ts'
import {
  agent,
  ask,
  assignment,
  credential,
  link,
  NOW,
  ORG,
  op,
  principal,
  said,
  world,
} from './testing/delegation.ts'

test('a chain lets its last agent act as long as everybody in it is alive and every link continues the one before', () => {
  expect(said(world())).toEqual(['permitted', null])
  const ended: [OrganizationOp, string, string][] = [
    [op('link', 'lnk_1', null), 'revoked', 'the delegation'],
    [link('lnk_1', { frozen: true }), 'frozen', 'the delegation'],
    [credential('crd_1', 'agt_1', { frozen: true }), 'frozen', 'the credential that delegated'],
    [op('credential', 'crd_1', null), 'revoked', 'the agent that delegated'],
    [op('agent', 'agt_1', null), 'revoked', 'the agent that delegated'],
    [principal('agt_1', 2, { status: 'retired' }), 'revoked', 'the agent that delegated'],
    [principal('agt_1', 2, { status: 'suspended' }), 'suspended', 'agent agt_1, which delegated,'],
    [
      principal('usr_2', 5, { status: 'suspended' }),
      'suspended',
      'the owner of agent agt_1, which delegated, is gone: it',
    ],
    [op('principal', 'usr_2', null), 'suspended', 'the owner of agent agt_1, which delegated, is gone: it'],
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

test('a link that is over, carries too little, reaches elsewhere or is limited is said by who gave it to whom', () => {
  const named = principal('agt_1', 2, { name: 'support-bot' })
  const by = (id: string, more: object, name = 't', args = {}) =>
    said(world(named, link(id, more)), {}, name, args)
  const between = 'from support-bot to agt_2'
  expect(by('lnk_1', { expiresAt: NOW + 1 })).toEqual(['permitted', null])
  expect(by('lnk_1', { expiresAt: NOW })).toEqual(['delegation_expired', between])
  expect(by('lnk_2', { expiresAt: NOW })).toEqual(['delegation_expired', 'from agt_2 to agt_3'])
  const little = ['delegation_scope', `${between} does not carry p:read`]
  expect(by('lnk_1', { scopes: ['p:own'] })).toEqual(little)
  const beside = ['delegation_resource', `${between} does not reach customer/acme`]
  expect(by('lnk_1', { resources: [3] }, 'of', { id: 'acme' })).toEqual(beside)
  expect(by('lnk_1', { resources: [3] }, 'of', { id: 'globex' })).toEqual(['permitted', null])
  const part = ['delegation_resource', `${between} does not reach the whole organization`]
  expect(by('lnk_1', { resources: [2, 3] })).toEqual(part)
  const condition = 'args.amount < 100'
  const much = ['delegation_arguments', `${between} is limited to ${condition}`]
  expect(by('lnk_1', { condition }, 't', { amount: 500 })).toEqual(much)
  expect(by('lnk_1', { condition })).toEqual(much)
  expect(by('lnk_1', { condition }, 't', { amount: 50 })).toEqual(['permitted', null])
})

test('an agent that is another principal by name is said by its id', () => {
  const value = { id: 'agt_2', principal: 'prn_2', owner: 'usr_1', kind: 'both', ceiling: ['p:*'] }
  const renamed = [op('principal', 'agt_2', null), principal('prn_2', 3), op('agent', 'agt_2', value)]
  expect(said(world(...renamed))).toEqual(['permitted', null])
  const ended = link('lnk_1', { expiresAt: NOW })
  expect(said(world(...renamed, ended))).toEqual(['delegation_expired', 'from agt_1 to agt_2'])
})

test('an agent that lets another act holds the permission itself, on the very resource', () => {
  expect(said(world(op('assignment', 'asg_2', null)))).toEqual([
    'agent_lacks_permission',
    'agent agt_1: p:read',
  ])
  const elsewhere = world(assignment(2, 3))
  expect(said(elsewhere, {}, 'of', { id: 'globex' })).toEqual(['permitted', null])
  expect(said(elsewhere, {}, 'of', { id: 'acme' })).toEqual([
    'agent_lacks_permission',
    'agent agt_1: p:read on customer/acme',
  ])
})

test('what a person does not let a chain touch is said as the person’s no', () => {
  const value = { id: 'gnt_1', agent: 'agt_1', person: 'usr_1', scopes: ['p:*'], resources: [3] }
  const links = ['lnk_1', 'lnk_2'].map(id => link(id, { grant: 'gnt_1' }))
  const snapshot = world(op('grant', 'gnt_1', { ...value, expiresAt: null }), ...links)
  const forMe = { person: 'usr_1', grant: 'gnt_1' }
  expect(said(snapshot, forMe, 'of', { id: 'globex' })).toEqual(['permitted', null])
  expect(said(snapshot, forMe, 'of', { id: 'acme' })).toEqual(['grant_resource', 'customer/acme'])
  expect(said(snapshot, forMe)).toEqual(['grant_resource', 'the whole organization'])
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

test('a filter by a chain is what all of them reach, and empty where a link lacks the permission or has a condition', () => {
  const filter = (...changes: OrganizationOp[]) => filterFor(world(...changes), ask(), 'p:read')
  const nothing = { all: false, roots: [] }
  expect(filter()).toEqual({ all: true, roots: [] })
  expect(filter(assignment(2, 2))).toEqual({ all: false, roots: [{ type: 'customer', id: 'acme' }] })
  expect(filter(link('lnk_1', { resources: [3] }))).toEqual({
    all: false,
    roots: [{ type: 'customer', id: 'globex' }],
  })
  for (const id of ['lnk_1', 'lnk_2']) {
    expect(filter(link(id, { scopes: ['q:*'] })), id).toEqual(nothing)
    expect(filter(link(id, { condition: 'args.amount < 100' })), id).toEqual(nothing)
    expect(filter(link(id, { expiresAt: NOW })), id).toEqual(nothing)
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

test('by a chain, a scope is worth asking for where every agent and every link lets the caller act', () => {
  const may = (...changes: OrganizationOp[]) =>
    mayObtain(world(...changes), ask({ scopes: [] }, 'of', { id: 'acme' }))
  expect(may()).toBe(true)
  for (const change of [
    ...[agent('agt_3', 'usr_1', ['q:*']), agent('agt_1', 'usr_1', ['q:*'])],
    ...[link('lnk_1', { scopes: ['q:*'] }), link('lnk_1', { resources: [3] }), op('link', 'lnk_1', null)],
    ...[link('lnk_2', { condition: 'args.amount < 100' }), link('lnk_2', { expiresAt: NOW })],
    ...[op('assignment', 'asg_2', null), op('assignment', 'asg_4', null)],
  ])
    expect(may(change), JSON.stringify(change)).toBe(false)
})

test('a chain for a person who is gone obtains nothing', () => {
  const value = { id: 'gnt_1', agent: 'agt_1', person: 'usr_1', scopes: [], resources: [1], expiresAt: null }
  const links = [link('lnk_1', { grant: 'gnt_1' }), link('lnk_2', { grant: 'gnt_1' })]
  const may = (...changes: OrganizationOp[]) =>
    mayObtain(
      world(op('grant', 'gnt_1', value), ...links, ...changes),
      ask({ scopes: [], person: 'usr_1', grant: 'gnt_1' }, 'some'),
    )
  expect(may()).toBe(true)
  expect(may(op('principal', 'usr_1', null))).toBe(false)
})
