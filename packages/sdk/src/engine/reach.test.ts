import { expect, test } from 'vitest'
import { CATALOGUE, type CatalogueOp, type OrganizationOp } from '../core/index.ts'
import { type DecisionRequest, filterFor, mayUse, type Snapshot } from './index.ts'
import {
  ACME,
  assign,
  BOT,
  call,
  forMaya,
  grant,
  MAYA,
  NOW,
  northwind,
  onAcme,
  server,
} from './testing/northwind.ts'

const NOTHING = { all: false, roots: [] }
const auditor = () => northwind(assign(BOT, 'auditor', 1))

/** The same with something of the catalogue changed. */
function changed(snapshot: Snapshot, ...ops: CatalogueOp[]): Snapshot {
  expect(snapshot.apply({ organization: CATALOGUE, revision: 2, ops })).toBe(true)
  return snapshot
}

const shown = (snapshot: Snapshot, name: string, caller: Partial<DecisionRequest['caller']> = {}) =>
  mayUse(snapshot, call(name, {}, caller), { kind: 'prompt', name, definition: null })

const rule = (name: string, more: object): CatalogueOp => ({
  fact: 'tool',
  id: name,
  value: {
    ...{ id: name, server: 'srv_1', kind: 'prompt', name, permission: 'invoice:read', resource: null },
    ...{ definition: null, inputSchema: null, condition: null, risk: 'read', mode: null },
    ...more,
  },
})
const agent = (ceiling: string[]): OrganizationOp => ({
  fact: 'agent',
  id: 'agt_1',
  value: { id: 'agt_1', principal: 'agt_1', owner: 'usr_1', kind: 'both', ceiling },
})

test('a server that only audits hides nothing but what is frozen, and rules that enforce all the same', () => {
  const nobody = () => northwind()
  expect(shown(changed(nobody(), server('enforce')), 'nothing')).toBe(false)
  expect(shown(changed(nobody(), server('audit')), 'nothing')).toBe(true)
  expect(shown(changed(nobody(), server('audit')), 'export_all')).toBe(true)
  const strict = rule('export_all', { mode: 'enforce' })
  expect(shown(changed(nobody(), server('audit'), strict), 'export_all')).toBe(false)
  const frozen = rule('export_all', { frozen: true })
  expect(shown(changed(nobody(), server('audit'), frozen), 'export_all')).toBe(false)
  expect(shown(changed(nobody(), rule('export_all', { mode: 'audit' })), 'export_all')).toBe(true)
})

test('a server that audits shows nothing to who is refused whatever is asked', () => {
  const gone = { credential: 'crd_gone' }
  expect(shown(changed(auditor(), server('audit')), 'export_all', gone)).toBe(false)
  expect(shown(changed(auditor(), server('audit')), 'export_all', { organization: 'org_2' })).toBe(false)
})

test('a tool is listed by the definition that was approved, and by no other', () => {
  const tool = rule('export_all', { kind: 'tool', definition: 'sha256-a', inputSchema: { type: 'object' } })
  const listed = (definition: string | null) =>
    mayUse(changed(auditor(), tool), call('export_all'), { kind: 'tool', name: 'export_all', definition })
  expect([listed('sha256-a'), listed('sha256-b'), listed(null)]).toEqual([true, false, false])
})

test('only a tool is compared with a definition', () => {
  const prompt = { kind: 'prompt', name: 'export_all', definition: 'sha256-a' } as const
  expect(mayUse(auditor(), call('export_all'), prompt)).toBe(true)
})

test('nothing is listed that could name nothing: of a type without resources, of no known type, of no form at all', () => {
  const listed = (resource: string) => shown(changed(auditor(), rule('odd', { resource })), 'odd')
  expect(listed('invoice/*')).toBe(true)
  expect(listed('ticket/*')).toBe(false)
  expect(listed('planet/{args.id}')).toBe(false)
  expect(listed('invoice')).toBe(false)
})

test('what is of an open type is listed where there is something that it can lie in', () => {
  expect(shown(auditor(), 'read_file')).toBe(true)
  expect(shown(onAcme, 'read_file')).toBe(false)
  expect(shown(onAcme, 'read_customer_file')).toBe(true)
  expect(shown(northwind(), 'read_customer_file')).toBe(false)
})

test('a filter is empty where token or ceiling do not carry the permission, and where it is not known', () => {
  const filter = (snapshot: Snapshot, permission: string, caller: Partial<DecisionRequest['caller']> = {}) =>
    filterFor(snapshot, call('list_invoices', {}, caller), permission)
  expect(filter(auditor(), 'invoice:read')).toEqual({ all: true, roots: [] })
  expect(filter(auditor(), 'invoice:read', { scopes: ['file:*'] })).toEqual(NOTHING)
  expect(filter(auditor(), 'invoice:read', { credential: 'crd_gone' })).toEqual(NOTHING)
  expect(filter(auditor(), 'invoice:read', { organization: 'org_2' })).toEqual(NOTHING)
  expect(filter(auditor(), 'invoice:gone')).toEqual(NOTHING)
  expect(filter(northwind(assign(BOT, 'auditor', 1), agent(['file:*'])), 'invoice:read')).toEqual(NOTHING)
})

test('a filter for a person leaves what agent, person, grant and token have in common', () => {
  const both = [assign(BOT, 'auditor', 1), assign(MAYA, 'auditor', 1)]
  const filter = (facts: OrganizationOp[], caller: Partial<DecisionRequest['caller']> = {}) =>
    filterFor(northwind(...facts), call('list_invoices', {}, { ...forMaya, ...caller }), 'invoice:read')
  const acme = { all: false, roots: [{ type: 'customer', id: 'acme' }] }
  expect(filter([...both, grant([1])])).toEqual({ all: true, roots: [] })
  expect(filter([...both, grant([ACME])])).toEqual(acme)
  expect(filter([assign(BOT, 'auditor', 1), assign(MAYA, 'reader', ACME), grant([1])])).toEqual(acme)
  expect(filter([assign(BOT, 'reader', ACME), assign(MAYA, 'auditor', 1), grant([1])])).toEqual(acme)
  expect(filter([assign(BOT, 'auditor', 1), grant([1])])).toEqual(NOTHING)
  expect(filter([assign(MAYA, 'auditor', 1), grant([1])])).toEqual(NOTHING)
  expect(filter([...both, grant([1], ['invoice:*'], NOW)])).toEqual(NOTHING)
})

test('a filter names a resource of a type that is gone by its id alone', () => {
  const snapshot = changed(northwind(assign(BOT, 'reader', ACME)), {
    fact: 'resource_type',
    id: 'rty_customer',
    value: null,
  })
  expect(filterFor(snapshot, call('list_invoices'), 'invoice:read')).toEqual({
    all: false,
    roots: [{ type: '', id: 'acme' }],
  })
})
