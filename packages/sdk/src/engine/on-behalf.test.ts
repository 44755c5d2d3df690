import { expect, describe as group, test } from 'vitest'
import { CATALOGUE, ENVIRONMENT, type OrganizationOp } from '../core/index.ts'
import { filterFor, judgeAgent, mayObtain, mayUse } from './index.ts'
import {
  ACME,
  assign,
  BOT,
  call,
  forMaya,
  GLOBEX,
  grant,
  MAYA,
  NOW,
  northwind,
  reasonOf,
} from './testing/northwind.ts'

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
    const many = (...ids: string[]) =>
      mayObtain(northwind(...both, grant([1], ['file:read'])), call('get_many', { ids }, forMaya))
    expect(many('INV-1', 'a/b')).toBe(true)
    expect([many('INV-1', 'INV-2'), many('INV-2', 'INV-1')]).toEqual([false, false])
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
