import fc from 'fast-check'
import { expect, test } from 'vitest'
import { CATALOGUE, type CatalogueOp, type OrganizationOp } from '../core/index.ts'
import { createSnapshot, type DecisionRequest, decide, mayUse } from './index.ts'
import { assignment, BOT, mayaAndHerBot, requestOfBot } from './testing/facts.ts'

const PERMISSIONS = ['a:read', 'a:write', 'b:read']
const permission = fc.constantFrom(...PERMISSIONS)
const mapped = fc.dictionary(fc.constantFrom('t0', 't1', 't2'), permission, { maxKeys: 3 })
const roles = fc.array(fc.uniqueArray(permission), { minLength: 2, maxLength: 2 })
const given = fc.uniqueArray(fc.constantFrom(0, 1))
const scopes = fc.uniqueArray(fc.constantFrom('a:read', 'a:write', 'b:read', 'a:*', 'b:*'))

function snapshotOf(tools: Record<string, string>, held: string[][], assigned: number[], ceiling: string[]) {
  const catalogue: CatalogueOp[] = [
    ...PERMISSIONS.map(
      (slug, bit): CatalogueOp => ({
        fact: 'permission',
        id: slug,
        value: { id: slug, slug, type: 'organization', bit, risk: 'read', condition: null },
      }),
    ),
    {
      fact: 'server',
      id: 'srv_1',
      value: { id: 'srv_1', name: 's', url: 'https://s/mcp', mode: 'enforce', status: 'active' },
    },
    ...Object.entries(tools).map(
      ([name, needs]): CatalogueOp => ({
        fact: 'tool',
        id: name,
        value: {
          id: name,
          server: 'srv_1',
          kind: 'tool',
          name,
          permission: needs,
          definition: 'sha256-a',
          inputSchema: { type: 'object' },
          resource: null,
          condition: null,
          risk: 'read',
          mode: null,
        },
      }),
    ),
    ...held.map(
      (permissions, i): CatalogueOp => ({
        fact: 'role',
        id: `rol_${i}`,
        value: { id: `rol_${i}`, slug: `r${i}`, type: 'organization', permissions },
      }),
    ),
  ]
  const organization: OrganizationOp[] = [
    ...mayaAndHerBot({ kind: 'autonomous', ceiling }),
    { fact: 'resource', id: '1', value: { type: 'organization', rows: [[1, 'o', null]] } },
    ...assigned.map(role => assignment(`asg_${role}`, { principal: BOT, resource: 1, role: `rol_${role}` })),
  ]
  const snapshot = createSnapshot()
  snapshot.load({ organization: CATALOGUE, revision: 1, ops: catalogue })
  snapshot.load({ organization: 'org_1', revision: 1, ops: organization })
  return snapshot
}

function requestFor(name: string, asked: string[]): DecisionRequest {
  return requestOfBot({ kind: 'tool', name, arguments: {}, definition: 'sha256-a' }, { scopes: asked })
}

test('a call is permitted exactly where the tool is mapped, the token covers its permission, and a given role holds it', () => {
  fc.assert(
    fc.property(
      mapped,
      roles,
      given,
      scopes,
      fc.constantFrom('t0', 't1', 't2'),
      (tools, held, assigned, asked, name) => {
        const decision = decide(requestFor(name, asked), snapshotOf(tools, held, assigned, ['a:*', 'b:*']))
        const needs = tools[name]
        const covers = asked.some(scope => scope === needs || scope === `${needs?.split(':')[0]}:*`)
        const holds = assigned.some(role => held[role]?.includes(needs ?? ''))
        expect(decision.decision).toBe(needs !== undefined && covers && holds ? 'permit' : 'deny')
      },
    ),
  )
})

test('giving a role never takes a permission away, and taking one never gives one', () => {
  fc.assert(
    fc.property(mapped, roles, scopes, fc.constantFrom('t0', 't1', 't2'), (tools, held, asked, name) => {
      const verdict = (assigned: number[]) =>
        decide(requestFor(name, asked), snapshotOf(tools, held, assigned, [])).decision
      if (verdict([0]) === 'permit') expect(verdict([0, 1])).toBe('permit')
      expect(verdict([])).toBe('deny')
    }),
  )
})

test('what is permitted is listed, and what is listed needs no more than a scope within the ceiling', () => {
  fc.assert(
    fc.property(mapped, roles, given, scopes, scopes, (tools, held, assigned, asked, ceiling) => {
      const snapshot = snapshotOf(tools, held, assigned, ceiling)
      for (const name of ['t0', 't1', 't2']) {
        const request = requestFor(name, asked)
        const isListed = mayUse(snapshot, request, request.action)
        if (decide(request, snapshot).decision === 'permit') expect(isListed).toBe(true)
        if (isListed)
          expect(decide(requestFor(name, [...asked, ...ceiling]), snapshot).decision).toBe('permit')
      }
    }),
  )
})

test('explaining decides the same', () => {
  fc.assert(
    fc.property(
      mapped,
      roles,
      given,
      scopes,
      fc.constantFrom('t0', 't1', 't9'),
      (tools, held, assigned, asked, name) => {
        const snapshot = snapshotOf(tools, held, assigned, [])
        const request = requestFor(name, asked)
        expect({ ...decide(request, snapshot, true), legs: [], missing: null }).toEqual(
          decide(request, snapshot),
        )
      },
    ),
  )
})
