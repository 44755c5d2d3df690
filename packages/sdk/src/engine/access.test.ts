import { expect, test } from 'vitest'
import type { CatalogueOp, OrganizationOp, ResourceRow } from '../core/index.ts'
import {
  carriersOf,
  createSnapshot,
  effectivePermissions,
  isAllowed,
  listPrincipals,
  listResources,
  nearOf,
  rolesOf,
  rootsOf,
  wouldAllow,
} from './index.ts'

const NOW = 1_800_000_000_000
const [ADA, BOT, CLERKS, STAFF] = [1, 2, 3, 4]
const [ROOT, ACME, INV_1, INV_2, GLOBEX, INV_3] = [1, 2, 3, 4, 5, 6]
const INVOICES = { permission: 'invoice:read', now: NOW }

const type = (slug: string, ...parents: string[]): CatalogueOp => ({
  fact: 'resource_type',
  id: slug,
  value: { id: slug, slug, parents, instances: 'registered' },
})
const permission = (slug: string, of: string, bit: number): CatalogueOp => ({
  fact: 'permission',
  id: `prm_${slug}`,
  value: { id: `prm_${slug}`, slug, type: of, bit, risk: 'read', condition: null },
})
const role = (slug: string, of: string, ...permissions: string[]) => ({
  fact: 'role' as const,
  id: `rol_${slug}`,
  value: { id: `rol_${slug}`, slug, type: of, permissions },
})
const principal = (
  seq: number,
  kind: 'user' | 'agent' | 'group',
  status = 'active' as const,
): OrganizationOp => ({
  fact: 'principal',
  id: `${kind}_${seq}`,
  value: { id: `${kind}_${seq}`, seq, kind, name: `${kind}-${seq}`, status },
})
const member = (group: number, one: number): OrganizationOp => ({
  fact: 'member',
  id: `${group}.${one}`,
  value: { group, member: one },
})
const rows = (of: string, ...all: ResourceRow[]): OrganizationOp => ({
  fact: 'resource',
  id: `${all[0]?.[0]}`,
  value: { type: of, rows: all },
})
const given = (
  id: string,
  to: number,
  what: string,
  on: number,
  expiresAt: number | null = null,
): OrganizationOp => ({
  fact: 'assignment',
  id,
  value: {
    id,
    principal: to,
    resource: on,
    role: `rol_${what}`,
    source: 'direct',
    expiresAt,
    createdBy: 'usr_1',
  },
})

/** Two customers with invoices; a bot in the clerks, who are in the staff. */
function northwind(...more: OrganizationOp[]) {
  const snapshot = createSnapshot()
  snapshot.load({
    organization: 'catalogue',
    revision: 1,
    ops: [
      type('customer', 'organization'),
      type('invoice', 'customer'),
      permission('customer:read', 'customer', 0),
      permission('invoice:read', 'invoice', 0),
      permission('invoice:send', 'invoice', 1),
      role('auditor', 'organization', 'customer:read', 'invoice:read'),
      role('account', 'customer', 'invoice:send', 'invoice:read', 'customer:read'),
      role('writer', 'invoice', 'invoice:send', 'invoice:read'),
      role('reader', 'invoice', 'invoice:read'),
      role('sender', 'invoice', 'invoice:send'),
    ],
  })
  snapshot.load({
    organization: 'org_n',
    revision: 1,
    ops: [
      { fact: 'organization', id: 'org_n', value: { id: 'org_n', slug: 'n', status: 'active' } },
      principal(ADA, 'user'),
      principal(BOT, 'agent'),
      principal(CLERKS, 'group'),
      principal(STAFF, 'group'),
      member(CLERKS, BOT),
      member(STAFF, CLERKS),
      rows('organization', [ROOT, 'n', null]),
      rows('customer', [ACME, 'acme', ROOT], [GLOBEX, 'globex', ROOT]),
      rows('invoice', [INV_1, 'INV-1', ACME], [INV_2, 'INV-2', ACME], [INV_3, 'INV-3', GLOBEX]),
      ...more,
    ],
  })
  const view = snapshot.organization('org_n')
  if (!view) throw new Error('not loaded')
  return view
}

test('a role reaches everything below the resource that it is given on, and nothing beside it', () => {
  const view = northwind(given('asg_1', ADA, 'account', ACME))
  const may = (resource: number) => isAllowed(view, { principal: ADA, resource, ...INVOICES })
  expect([ROOT, ACME, INV_1, INV_2, GLOBEX, INV_3].filter(may)).toEqual([ACME, INV_1, INV_2])
})

test('a role of a group is held by whoever is in it, also through another group', () => {
  const view = northwind(given('asg_1', STAFF, 'reader', INV_3))
  const question = { principal: BOT, resource: INV_3, ...INVOICES }
  expect(isAllowed(view, question)).toBe(true)
  expect(carriersOf(view, question).map(({ assignment, group }) => [assignment.id, group])).toEqual([
    ['asg_1', STAFF],
  ])
  expect(isAllowed(view, { ...question, principal: ADA })).toBe(false)
})

test('who carries a permission is told from the nearest resource up', () => {
  const view = northwind(
    given('asg_top', ADA, 'auditor', ROOT),
    given('asg_mid', ADA, 'account', ACME),
    given('asg_low', ADA, 'reader', INV_1),
    given('asg_old', ADA, 'reader', INV_1, NOW),
  )
  const question = { principal: ADA, resource: INV_1, ...INVOICES }
  expect(carriersOf(view, question).map(({ assignment, group }) => [assignment.id, group])).toEqual([
    ['asg_low', null],
    ['asg_mid', null],
    ['asg_top', null],
  ])
})

test('what came close lacks the permission; what would allow it names the nearest place and the least first', () => {
  const view = northwind(given('asg_1', ADA, 'sender', INV_1), given('asg_2', ADA, 'auditor', ROOT))
  const question = { principal: ADA, resource: INV_1, ...INVOICES }
  expect(nearOf(view, question).map(({ role: near }) => near.fact?.slug)).toEqual(['sender'])
  expect(wouldAllow(view, question).map(one => [one.role.fact?.slug, one.resource, one.alsoGives])).toEqual([
    ['reader', INV_1, []],
    ['writer', INV_1, ['invoice:send']],
    ['account', ACME, ['customer:read', 'invoice:send']],
    ['auditor', ROOT, ['customer:read']],
  ])
})

test('effective permissions are those of the resource itself, not those of what lies below it', () => {
  const view = northwind(given('asg_1', ADA, 'account', ACME))
  expect(effectivePermissions(view, { principal: ADA, resource: ACME, now: NOW })).toEqual(['customer:read'])
  expect(effectivePermissions(view, { principal: ADA, resource: INV_1, now: NOW })).toEqual([
    'invoice:read',
    'invoice:send',
  ])
})

test('a role that is gone, or holds what is not known, gives nothing more and hides nothing else', () => {
  const odd = role('odd', 'invoice', 'invoice:gone', 'invoice:read')
  const view = northwind(odd, given('asg_1', ADA, 'odd', INV_1), given('asg_2', ADA, 'ghost', INV_1))
  const question = { principal: ADA, resource: INV_1, ...INVOICES }
  expect(effectivePermissions(view, question)).toEqual(['invoice:read'])
  expect(nearOf(view, question).map(({ role: { id } }) => id)).toEqual(['rol_ghost'])
  const would = wouldAllow(view, question).map(one => one.role.fact?.slug)
  expect(would).toEqual(['reader', 'odd', 'writer', 'account', 'auditor'])
})

test('a filter leaves out what lies below another root', () => {
  const view = northwind(
    given('asg_1', ADA, 'reader', INV_1),
    given('asg_2', ADA, 'account', ACME),
    given('asg_3', ADA, 'reader', INV_3),
  )
  expect(rootsOf(view, { principal: ADA, ...INVOICES }).map(({ resource }) => resource)).toEqual([
    ACME,
    INV_3,
  ])
})

test('a list says of each resource whether the role was given to the very principal on the very resource', () => {
  const view = northwind(given('asg_1', BOT, 'reader', INV_1), given('asg_2', STAFF, 'account', ACME))
  const asked = { principal: BOT, ...INVOICES, type: 'invoice', after: 0 }
  const { items, next } = listResources(view, { ...asked, limit: 10 })
  expect(items.map(({ resource, direct, held }) => [resource, direct, held.assignment.id])).toEqual([
    [INV_1, true, 'asg_1'],
    [INV_2, false, 'asg_2'],
  ])
  expect(next).toBe(null)
  expect(listResources(view, { ...asked, limit: 1 }).next).toBe(INV_1)
  expect(listResources(view, { ...asked, after: INV_1, limit: 1 }).next).toBe(null)
})

test('a list says by what each is held there: what was given to the very principal first, else what reaches it', () => {
  const view = northwind(
    given('asg_read', BOT, 'reader', INV_1),
    given('asg_send', BOT, 'sender', INV_1),
    given('asg_other', BOT, 'sender', INV_2),
    given('asg_all', BOT, 'account', ACME),
    given('asg_staff', STAFF, 'reader', INV_3),
  )
  const { items } = listResources(view, { principal: BOT, ...INVOICES, type: 'invoice', after: 0, limit: 10 })
  expect(items.map(({ resource, direct, held }) => [resource, direct, held.assignment.id])).toEqual([
    [INV_1, true, 'asg_read'],
    [INV_2, false, 'asg_all'],
    [INV_3, false, 'asg_staff'],
  ])
})

test('a list comes page by page, by number, wherever its resources lie and from wherever they are held', () => {
  const moved = rows('invoice', [INV_1, 'INV-1', GLOBEX])
  const held = [
    [given('asg_1', ADA, 'auditor', ROOT)],
    [given('asg_1', ADA, 'account', ACME), given('asg_2', ADA, 'account', GLOBEX)],
  ]
  for (const facts of held) {
    const view = northwind(moved, ...facts)
    const page = (after: number, limit: number) => {
      const list = listResources(view, { principal: ADA, ...INVOICES, type: 'invoice', after, limit })
      return [list.items.map(({ resource }) => resource), list.next]
    }
    expect(page(0, 10)).toEqual([[INV_1, INV_2, INV_3], null])
    expect(page(0, 3)).toEqual([[INV_1, INV_2, INV_3], null])
    expect(page(0, 2)).toEqual([[INV_1, INV_2], INV_2])
    expect(page(0, 1)).toEqual([[INV_1], INV_1])
    expect(page(INV_1, 2)).toEqual([[INV_2, INV_3], null])
    expect(page(INV_3, 2)).toEqual([[], null])
  }
})

test('a list of principals leaves out who is not active and what has ended', () => {
  const idle: OrganizationOp = {
    ...{ fact: 'principal', id: `user_${ADA}` },
    value: { id: `user_${ADA}`, seq: ADA, kind: 'user', name: 'ada', status: 'suspended' },
  }
  const view = northwind(
    idle,
    given('asg_1', ADA, 'auditor', ROOT),
    given('asg_2', BOT, 'reader', INV_1, NOW),
    given('asg_3', STAFF, 'reader', INV_1),
  )
  const holders = listPrincipals(view, { resource: INV_1, ...INVOICES })
  expect(holders.map(({ principal: seq, direct, held }) => [seq, direct, held.assignment.id])).toEqual([
    [BOT, false, 'asg_3'],
    [CLERKS, false, 'asg_3'],
    [STAFF, true, 'asg_3'],
  ])
})

test('the roles of a principal are its own and those of its groups, as long as they last', () => {
  const view = northwind(
    given('asg_1', STAFF, 'reader', INV_1),
    given('asg_2', BOT, 'sender', INV_2, NOW),
    given('asg_3', BOT, 'writer', INV_3, NOW + 1),
  )
  expect(rolesOf(view, { principal: BOT, now: NOW })).toEqual(new Set(['rol_reader', 'rol_writer']))
  expect(rolesOf(view, { principal: ADA, now: NOW })).toEqual(new Set())
})

test('a list of principals prefers what was given to each itself', () => {
  const view = northwind(
    given('asg_1', STAFF, 'account', ACME),
    given('asg_2', BOT, 'reader', INV_1),
    given('asg_3', ADA, 'auditor', ROOT),
  )
  const holders = listPrincipals(view, { resource: INV_1, ...INVOICES })
  expect(holders.map(({ principal: seq, direct, held }) => [seq, direct, held.assignment.id])).toEqual([
    [ADA, false, 'asg_3'],
    [BOT, true, 'asg_2'],
    [CLERKS, false, 'asg_1'],
    [STAFF, false, 'asg_1'],
  ])
  const both = northwind(given('asg_1', BOT, 'reader', INV_1), given('asg_2', STAFF, 'reader', INV_1))
  const [bot] = listPrincipals(both, { resource: INV_1, ...INVOICES })
  expect([bot?.principal, bot?.direct, bot?.held.assignment.id]).toEqual([BOT, true, 'asg_1'])
})

test('an assignment, a member or a principal that is told again is replaced, not added', () => {
  const view = northwind(
    given('asg_1', ADA, 'reader', INV_1),
    given('asg_1', ADA, 'reader', INV_3),
    given('asg_2', CLERKS, 'sender', INV_1),
    { fact: 'member', id: `${CLERKS}.${BOT}`, value: { group: CLERKS, member: ADA } },
  )
  const may = (principal: number, resource: number, what: string) =>
    isAllowed(view, { principal, resource, permission: what, now: NOW })
  expect([may(ADA, INV_1, 'invoice:read'), may(ADA, INV_3, 'invoice:read')]).toEqual([false, true])
  expect([may(BOT, INV_1, 'invoice:send'), may(ADA, INV_1, 'invoice:send')]).toEqual([false, true])
  expect(view.holdings.size).toBe(2)
})

test('a role on a number that is no resource gives nothing', () => {
  const view = northwind(given('asg_1', ADA, 'reader', 99), given('asg_2', STAFF, 'reader', 99))
  const question = { principal: ADA, resource: 99, ...INVOICES }
  expect(isAllowed(view, question)).toBe(false)
  expect(carriersOf(view, question)).toEqual([])
  expect(effectivePermissions(view, question)).toEqual([])
  expect(rootsOf(view, question)).toEqual([])
  expect(listPrincipals(view, question)).toEqual([])
  expect(wouldAllow(view, question)).toEqual([])
  expect(listResources(view, { ...question, type: 'invoice', after: 0, limit: 10 })).toEqual({
    items: [],
    next: null,
  })
})

test('nothing is left of what was taken away', () => {
  const view = northwind(given('asg_1', ADA, 'reader', INV_1), given('asg_2', ADA, 'reader', INV_1))
  view.holdings.remove('asg_1')
  expect(view.holdings.here(ADA, INV_1)?.fact.id).toBe('asg_2')
  expect(view.holdings.of(ADA)?.nextOf).toBeUndefined()
  view.holdings.removeAt(INV_1)
  expect(view.holdings.of(ADA)).toBeUndefined()
  expect(view.holdings.here(ADA, INV_1)).toBeUndefined()
  expect(view.holdings.at(INV_1)).toBeUndefined()
  expect(view.holdings.size).toBe(0)
})
