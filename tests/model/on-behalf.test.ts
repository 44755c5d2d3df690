import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Change, OrganizationOp } from '../../packages/sdk/src/core/index.ts'
import { type DecisionRequest, decide, filterFor, mayUse } from '../../packages/sdk/src/engine/index.ts'
import { runsOf } from './arbitrary.ts'
import { chooseCommand } from './choose.ts'
import { createDice } from './dice.ts'
import { ORGANIZATION } from './facts.ts'
import { requestOn, seqOf, toolsOf } from './on-behalf.ts'
import { createStage, type Run, type Stage } from './run.ts'
import { check, listResources, pathOf } from './spec.ts'

const AGENT = { id: 'agent-1#2', name: 'agent-1' }
const PERSON = { id: 'user-0#1', name: 'user-0' }
const FAR = 10 ** 9

/** A world, with an agent that has a credential, a person that lets it act, and a tool for every permission. */
function playedOut(run: Run): { stage: Stage; limits: string[]; scopes: string[]; ceiling: string[] } {
  const stage = createStage(run.schema)
  for (const numbers of run.steps) stage.perform(chooseCommand(stage.schema, stage.world, numbers))
  const dice = createDice(run.steps.flat().toReversed())
  const all = [...stage.world.resources.keys()]
  const limits = [...new Set([dice.pick(all), dice.pick(all)].filter(one => one !== undefined))]
  const scopes = dice.roll(2)
    ? dice.some([...stage.world.permissions.keys()], 2)
    : [...stage.world.permissions.keys()]
  const every = [...stage.world.permissions.keys()]
  const ceiling = dice.roll(2) ? every : dice.some(every, 2)
  const { snapshot, view, world } = stage
  const seqs = limits.map(limit => seqOf(stage, limit))
  const expiresAt = world.now + FAR
  const ops: OrganizationOp[] = [
    {
      fact: 'agent',
      id: AGENT.id,
      value: { id: AGENT.id, principal: AGENT.id, owner: PERSON.id, kind: 'both', ceiling },
    },
    { fact: 'credential', id: 'crd_1', value: { id: 'crd_1', agent: AGENT.id, expiresAt: null } },
    {
      fact: 'grant',
      id: 'gnt_1',
      value: { id: 'gnt_1', agent: AGENT.id, person: PERSON.id, scopes, resources: seqs, expiresAt },
    },
  ]
  snapshot.apply({ organization: ORGANIZATION, revision: view.revision + 1, ops } as Change)
  snapshot.apply({
    organization: 'catalogue',
    revision: snapshot.catalogue.revision + 1,
    ops: toolsOf(stage),
  })
  return { stage, limits, scopes, ceiling }
}

function requestFor(
  stage: Stage,
  permission: string,
  resource: string,
  isForPerson: boolean,
): DecisionRequest {
  return requestOn(stage, permission, resource, {
    agent: AGENT.id,
    credential: 'crd_1',
    scopes: [...stage.world.permissions.keys()],
    person: isForPerson ? PERSON.id : null,
    grant: isForPerson ? 'gnt_1' : null,
  })
}

const runs = runsOf({ least: 40, most: 80 })
const isUp = ({ world }: Stage) =>
  [AGENT, PERSON].every(({ name }) => world.principals.get(name) === 'active')

test('an agent that acts for a person may do what both may, within what the person granted, and nothing else', () => {
  const seen = { permit: 0, deny: 0, needs_approval: 0 }
  fc.assert(
    fc.property(runs, run => {
      const { stage, limits, scopes, ceiling } = playedOut(run)
      const { world, snapshot } = stage
      for (const [permission, type] of world.permissions)
        for (const [resource, { type: typeOfResource }] of world.resources) {
          if (type !== typeOfResource) continue
          const mayAtAll = isUp(stage) && ceiling.includes(permission)
          const alone = mayAtAll && check(world, AGENT.name, permission, resource)
          const isGranted =
            scopes.includes(permission) && pathOf(world, resource).some(one => limits.includes(one))
          const both = alone && check(world, PERSON.name, permission, resource) && isGranted
          const verdictFor = (isForPerson: boolean) =>
            decide(requestFor(stage, permission, resource, isForPerson), snapshot)
          expect(verdictFor(false)).toMatchObject({ decision: alone ? 'permit' : 'deny' })
          expect(verdictFor(true)).toMatchObject({ decision: both ? 'permit' : 'deny' })
          seen[verdictFor(true).decision]++
          const explained = decide(requestFor(stage, permission, resource, true), snapshot, true)
          expect({ ...explained, legs: [], missing: null }).toEqual(verdictFor(true))
        }
    }),
    { numRuns: 400 },
  )
  expect(seen.permit).toBeGreaterThan(20)
  expect(seen.deny).toBeGreaterThan(20)
})

test('what code is told to filter by is exactly what calls may name, and a tool is shown where one of them passes', () => {
  fc.assert(
    fc.property(runs, fc.boolean(), (run, isForPerson) => {
      const { stage, scopes, ceiling } = playedOut(run)
      const { world, snapshot } = stage
      for (const [permission, type] of world.permissions) {
        const request = requestFor(stage, permission, '', isForPerson)
        const { all, roots } = filterFor(snapshot, request, permission)
        const under = roots.map(root => `${root.type}/${root.id}`)
        const ofType = [...world.resources]
          .filter(([, one]) => one.type === type)
          .map(([resource]) => resource)
        const permitted = ofType.filter(
          resource =>
            decide(requestFor(stage, permission, resource, isForPerson), snapshot).decision === 'permit',
        )
        const within = ofType.filter(
          resource => all || pathOf(world, resource).some(one => under.includes(one)),
        )
        expect(within).toEqual(permitted)
        // A tool that the person's grant lacks is shown, since the person could grant it.
        if (!isForPerson || scopes.includes(permission))
          expect(mayUse(snapshot, request, request.action)).toBe(permitted.length > 0)
        if (!isForPerson && isUp(stage) && ceiling.includes(permission))
          expect(permitted.sort()).toEqual(listResources(world, AGENT.name, permission, type).sort())
      }
    }),
    { numRuns: 100 },
  )
})
