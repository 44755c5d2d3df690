import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Change, isCatalogueChange, ROOT_RESOURCE } from '../../packages/sdk/src/core/index.ts'
import {
  carriersOf,
  effectivePermissions,
  isAllowed,
  listPrincipals,
  listResources,
  rootsOf,
} from '../../packages/sdk/src/engine/access.ts'
import { findResource, refOf } from '../../packages/sdk/src/engine/naming.ts'
import type { OrganizationView } from '../../packages/sdk/src/engine/organization.ts'
import { createSnapshot, type Snapshot } from '../../packages/sdk/src/engine/snapshot.ts'
import { runsOf } from './arbitrary.ts'
import { chooseCommand } from './choose.ts'
import { digestOf } from './digest.ts'
import { ORGANIZATION } from './facts.ts'
import { createStage, START } from './run.ts'

const OTHER = 'org_other'
const renamed = (change: Change): Change =>
  isCatalogueChange(change) ? change : { ...change, organization: OTHER as 'org_other' }

function viewIn(snapshot: Snapshot, organization: string): OrganizationView {
  const view = snapshot.organization(organization)
  if (!view) throw new Error(`there is no ${organization}`)
  return view
}

test('nothing that happens in one organization changes any answer in another, not even under the same names', () => {
  fc.assert(
    fc.property(runsOf({ least: 30, most: 50 }), fc.nat(49), (run, from) => {
      let both: Snapshot | undefined
      const stage = createStage(run.schema, snapshot => {
        both = snapshot
        return { ...snapshot, load: change => [change, renamed(change)].forEach(snapshot.load) }
      })
      if (!both) throw new Error('unreachable: the stage wraps its index')
      // The other organization gets the first part of the same story, with the same numbers and names.
      const other = createStage(run.schema)
      for (const numbers of run.steps.slice(0, from))
        other.perform(chooseCommand(other.schema, other.world, numbers))
      const facts = other.snapshot.facts(ORGANIZATION)
      if (facts) both.load(renamed(facts))
      const catalogue = stage.snapshot.catalogue.revision
      const before = digestOf(viewIn(both, OTHER), START)
      for (const numbers of run.steps) {
        const command = chooseCommand(stage.schema, stage.world, numbers)
        // A role of the catalogue is everybody's.
        const isShared =
          command.do === 'edit role' && !stage.schema.roles.find(({ slug }) => slug === command.role)?.isOwn
        if (!isShared) stage.perform(command)
      }
      expect(stage.snapshot.catalogue.revision).toBe(catalogue)
      expect(digestOf(viewIn(both, OTHER), START)).toBe(before)
    }),
    { numRuns: 60 },
  )
})

const PEOPLE = 40
const RESOURCES = 2_000
const QUESTIONS = 100_000

/** An organization in which the first person may do everything, with numbers and names of its own from `first` on. */
function organization(id: string, first: number): Change {
  const people = Array.from({ length: PEOPLE }, (_, n) => first + n)
  const rows = Array.from(
    { length: RESOURCES },
    (_, n) =>
      [first + n, `${id}-${first + n}`, n === 0 ? ROOT_RESOURCE : first + Math.floor((n - 1) / 10)] as const,
  )
  return {
    organization: id as 'org_a',
    revision: 1,
    ops: [
      { fact: 'organization', id, value: { id, slug: id, status: 'active' } },
      { fact: 'resource', id: '1', value: { type: 'organization', rows: [[ROOT_RESOURCE, id, null]] } },
      { fact: 'resource', id: `${first}`, value: { type: 'rty_document', rows } },
      ...people.map(seq => ({
        fact: 'principal' as const,
        id: `${id}-${seq}`,
        value: { id: `${id}-${seq}`, seq, kind: 'user' as const, name: `${seq}`, status: 'active' as const },
      })),
      ...people.map(seq => ({
        fact: 'assignment' as const,
        id: `asg_${id}-${seq}`,
        value: {
          id: `asg_${id}-${seq}`,
          principal: seq,
          resource: ROOT_RESOURCE,
          role: 'rol_all',
          source: 'direct' as const,
          expiresAt: null,
          createdBy: 'tok_test',
        },
      })),
    ],
  }
}

test(`${QUESTIONS.toLocaleString('en')} ids of another organization: none is found, none is permitted`, () => {
  const snapshot = createSnapshot()
  const type = {
    id: 'rty_document',
    slug: 'document',
    parents: ['organization'],
    instances: 'registered' as const,
  }
  const permission = 'document:read'
  snapshot.load({
    organization: 'catalogue',
    revision: 1,
    ops: [
      { fact: 'resource_type', id: type.id, value: type },
      {
        fact: 'permission',
        id: 'prm_1',
        value: { id: 'prm_1', slug: permission, type: type.id, bit: 0, risk: 'read', condition: null },
      },
      {
        fact: 'role',
        id: 'rol_all',
        value: { id: 'rol_all', slug: 'all', type: 'organization', permissions: [permission] },
      },
    ],
  })
  const firsts = { org_a: 10, org_b: 10_000 }
  for (const [id, first] of Object.entries(firsts)) snapshot.load(organization(id, first))
  const [a, b] = [viewIn(snapshot, 'org_a'), viewIn(snapshot, 'org_b')]
  const random = fc.sample(fc.tuple(fc.nat(PEOPLE - 1), fc.nat(RESOURCES - 1), fc.boolean()), {
    numRuns: QUESTIONS,
    seed: 7,
  })
  let permitted = 0
  let found = 0
  for (const [n, m, isThere] of random) {
    const [here, there] = isThere ? [b, a] : [a, b]
    const [own, foreign] = isThere ? [firsts.org_b, firsts.org_a] : [firsts.org_a, firsts.org_b]
    const guess = refOf(there, foreign + m)
    if (findResource(here, 'document', guess.slice('document/'.length)) !== 0) found++
    // A foreign number, the foreign principal's number, and both at once, asked where the caller is.
    const pairs = [
      [own + n, foreign + m],
      [foreign + n, own + m],
      [foreign + n, foreign + m],
    ] as const
    for (const [principal, resource] of pairs) {
      const question = { principal, permission, resource, now: START }
      if (isAllowed(here, question) || carriersOf(here, question).length > 0) permitted++
    }
  }
  expect({ permitted, found }).toEqual({ permitted: 0, found: 0 })
  // The same questions within one organization are all answered with yes: the test can fail.
  const ask = { principal: firsts.org_a, permission, now: START }
  expect(isAllowed(a, { ...ask, resource: firsts.org_a + 1_234 })).toBe(true)
  expect(listPrincipals(a, { permission, resource: firsts.org_b, now: START })).toEqual([])
  expect(effectivePermissions(a, { principal: firsts.org_b, resource: firsts.org_a, now: START })).toEqual([])
  expect(rootsOf(a, { ...ask, principal: firsts.org_b })).toEqual([])
  const page = { type: type.id, after: 0, limit: 10 }
  expect(listResources(a, { ...ask, ...page, principal: firsts.org_b })).toEqual({ items: [], next: null })
})
