import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  intersectRoots,
  isAllowed,
  listPrincipals,
  listResources,
  rootsOf,
  wouldAllow,
} from '../../packages/sdk/src/engine/access.ts'
import { refOf } from '../../packages/sdk/src/engine/naming.ts'
import type { OrganizationView } from '../../packages/sdk/src/engine/organization.ts'
import { createSnapshot } from '../../packages/sdk/src/engine/snapshot.ts'
import { runsOf } from './arbitrary.ts'
import { chooseCommand } from './choose.ts'
import { type Command, isPossible, isSame } from './commands.ts'
import { pagesOf } from './compare.ts'
import { digestOf } from './digest.ts'
import { ORGANIZATION } from './facts.ts'
import { createStage, type Run, type Stage } from './run.ts'
import { type Assignment, check } from './spec.ts'

const RUNS = { numRuns: 60 }
const runs = runsOf({ least: 20, most: 60 })

/** A world in which much has happened. */
function stageAfter(run: Run): Stage {
  const stage = createStage(run.schema)
  for (const numbers of run.steps) stage.perform(chooseCommand(stage.schema, stage.world, numbers))
  return stage
}

function law(what: string, holds: (stage: Stage, run: Run) => void): void {
  test(what, () =>
    fc.assert(
      fc.property(runs, run => holds(stageAfter(run), run)),
      RUNS,
    ),
  )
}

const numbersOf = (view: OrganizationView) => ({
  principals: [...view.principals.values()].map(({ seq }) => seq),
  resources: [...view.tree.rows().values()].flatMap(rows => rows.map(([seq]) => seq)),
  permissions: [...view.catalogue.permissions.keys()],
  types: [...view.catalogue.resourceTypes.keys()],
})

/** Everything that anybody may do, as one text each. */
function rightsIn({ view, world: { now } }: Stage): Set<string> {
  const { principals, resources, permissions } = numbersOf(view)
  const rights = new Set<string>()
  for (const principal of principals)
    for (const resource of resources)
      for (const permission of permissions)
        if (isAllowed(view, { principal, permission, resource, now }))
          rights.add(`${principal} ${permission} ${resource}`)
  return rights
}

/** What a run would do next, of one kind. */
function nextOf<K extends Command['do']>(stage: Stage, run: Run, kind: K) {
  for (const numbers of run.steps) {
    const command = chooseCommand(stage.schema, stage.world, numbers)
    if (command.do === kind && isPossible(stage.schema, stage.world, command))
      return command as Extract<Command, { do: K }>
  }
  return undefined
}

const digest = ({ view, world }: Stage) => digestOf(view, world.now)

test('an organization in which nothing was given denies everything', () => {
  fc.assert(
    fc.property(runs, run => {
      expect(rightsIn(createStage(run.schema)).size).toBe(0)
    }),
    RUNS,
  )
})

test('names and numbers that nobody has give nothing, and nothing breaks', () => {
  fc.assert(
    fc.property(runs, fc.integer(), fc.integer(), fc.string(), (run, principal, resource, permission) => {
      const { view, world } = stageAfter(run)
      const known = numbersOf(view)
      const isUnknown =
        !known.principals.includes(principal) ||
        !known.resources.includes(resource) ||
        !known.permissions.includes(permission)
      expect(isAllowed(view, { principal, permission, resource, now: world.now }) && isUnknown).toBe(false)
    }),
    RUNS,
  )
})

law('to give a role never takes anything away, and to take one back gives nothing', (stage, run) => {
  const command = nextOf(stage, run, 'give')
  if (!command) return
  // A role that is given again with another end replaces the one that stands: that is taking as well.
  if (stage.world.assignments.some(one => isSame(one, command.assignment))) return
  const before = rightsIn(stage)
  stage.perform(command)
  const after = rightsIn(stage)
  expect([...before].filter(right => !after.has(right))).toEqual([])
  stage.perform({ do: 'take', assignment: command.assignment })
  expect(rightsIn(stage)).toEqual(before)
})

law('to take away a role, a membership or a resource never gives anything', (stage, run) => {
  for (const kind of [
    'take',
    'leave',
    'remove',
    'remove group',
    'clear principal',
    'clear resource',
  ] as const) {
    const command = nextOf(stage, run, kind)
    if (!command) continue
    const before = rightsIn(stage)
    stage.perform(command)
    expect([...rightsIn(stage)].filter(right => !before.has(right))).toEqual([])
  }
})

law('a resource is listed where it may be used, and only there; so is a principal', ({ view, world }) => {
  const { principals, resources, permissions, types } = numbersOf(view)
  const { now } = world
  for (const permission of permissions) {
    for (const principal of principals)
      for (const type of types) {
        const asked = { principal, permission, type, now }
        const listed = pagesOf(after => listResources(view, { ...asked, after, limit: 2 }))
        const number = view.catalogue.typeNumbers.find(type)
        const allowed = resources.filter(
          resource =>
            view.tree.typeOf(resource) === number &&
            isAllowed(view, { principal, permission, resource, now }),
        )
        expect(listed.map(({ resource }) => resource)).toEqual(allowed.sort((a, b) => a - b))
      }
    for (const resource of resources) {
      const listed = listPrincipals(view, { permission, resource, now }).map(({ principal }) => principal)
      const allowed = principals.filter(principal =>
        isAllowed(view, { principal, permission, resource, now }),
      )
      expect(listed).toEqual(allowed.sort((a, b) => a - b))
    }
  }
})

law(
  'the roots of a filter, and all below them, are what is listed; none lies below another',
  ({ view, world }) => {
    const { principals, resources, permissions } = numbersOf(view)
    const { now } = world
    for (const permission of permissions)
      for (const principal of principals) {
        const roots = rootsOf(view, { principal, permission, now }).map(({ resource }) => resource)
        for (const resource of resources)
          expect(roots.some(root => view.tree.isWithin(resource, root))).toBe(
            isAllowed(view, { principal, permission, resource, now }),
          )
        for (const root of roots)
          for (const other of roots) expect(root !== other && view.tree.isWithin(root, other)).toBe(false)
      }
  },
)

law('what two may both reach is what lies under the roots of both', ({ view, world: { now } }) => {
  const { principals, resources, permissions } = numbersOf(view)
  for (const permission of permissions)
    for (const [n, left] of principals.entries()) {
      const right = principals[(n + 1) % principals.length] ?? left
      const rootsFor = (principal: number) =>
        rootsOf(view, { principal, permission, now }).map(({ resource }) => resource)
      const both = intersectRoots(view, rootsFor(left), rootsFor(right))
      for (const resource of resources) {
        const may = (principal: number) => isAllowed(view, { principal, permission, resource, now })
        expect(both.some(root => view.tree.isWithin(resource, root))).toBe(may(left) && may(right))
      }
    }
})

law('to move there and back changes nothing', (stage, run) => {
  const command = nextOf(stage, run, 'move')
  const parent = command && stage.world.resources.get(command.resource)?.parent
  if (!command || !parent) return
  const before = digest(stage)
  stage.perform(command)
  stage.perform({ ...command, parent })
  expect(digest(stage)).toBe(before)
})

law('what is done and undone changes nothing: suspension, membership, a resource', (stage, run) => {
  const before = digest(stage)
  const status = nextOf(stage, run, 'set status')
  const standing = status && stage.world.principals.get(status.principal)
  if (status && standing) {
    stage.perform(status)
    stage.perform({ ...status, status: standing })
  }
  const join = nextOf(stage, run, 'join')
  if (join && !stage.world.members.some(one => one.group === join.group && one.member === join.member)) {
    stage.perform(join)
    stage.perform({ ...join, do: 'leave' })
  }
  const [added] = nextOf(stage, run, 'add')?.resources ?? []
  if (added) {
    stage.perform({ do: 'add', resources: [added] })
    stage.perform({ do: 'remove', resource: added.resource })
  }
  expect(digest(stage)).toBe(before)
})

law('a resource that comes back under its name has none of the roles that were given there', (stage, run) => {
  const removed = nextOf(stage, run, 'remove')
  const old = removed && stage.world.resources.get(removed.resource)
  if (!removed || !old?.parent) return
  stage.perform(removed)
  stage.perform({
    do: 'add',
    resources: [{ resource: removed.resource, type: old.type, parent: old.parent }],
  })
  const { view } = stage
  const { resources } = numbersOf(view)
  const seq = resources.find(one => refOf(view, one) === removed.resource) ?? 0
  expect(seq).toBeGreaterThan(0)
  expect(view.holdings.at(seq)).toBeUndefined()
})

law('a role ends at its very millisecond', (stage, run) => {
  const command = nextOf(stage, run, 'give')
  if (!command) return
  const { schema, world } = stage
  const role = schema.roles.find(({ slug }) => slug === command.assignment.role)
  const expiresAt = world.now + 10_000
  stage.perform({ ...command, assignment: { ...command.assignment, expiresAt } satisfies Assignment })
  const held = [...(world.roles.get(role?.slug ?? '') ?? [])]
  for (const now of [expiresAt - 1, expiresAt]) {
    stage.perform({ do: 'wait', ms: now - stage.world.now })
    for (const permission of held) {
      const resource = [...numbersOf(stage.view).resources].find(
        one => refOf(stage.view, one) === command.assignment.resource,
      )
      const principal = [...stage.view.principals.values()].find(
        one => one.name === command.assignment.principal,
      )
      const asked = { principal: principal?.seq ?? 0, permission, resource: resource ?? 0, now }
      const { principal: name, resource: ref } = command.assignment
      expect(isAllowed(stage.view, asked)).toBe(check(stage.world, name, permission, ref))
    }
  }
})

law('a role that is said to be enough is enough', ({ view, world: { now }, snapshot }) => {
  const { principals, resources, permissions } = numbersOf(view)
  const active = principals.filter(seq => view.principalAt[seq]?.status === 'active')
  const principal = active[0]
  if (principal === undefined) return
  for (const permission of permissions)
    for (const resource of resources.slice(0, 3))
      for (const { role, resource: place, alsoGives } of wouldAllow(view, { permission, resource })) {
        const fork = snapshot.fork(ORGANIZATION)
        const value = {
          id: 'asg_try',
          principal,
          resource: place,
          role: role.id,
          source: 'direct' as const,
          expiresAt: null,
          createdBy: 'tok_test',
        }
        const ops = [{ fact: 'assignment' as const, id: value.id, value }]
        fork.apply({ organization: ORGANIZATION, revision: view.revision + 1, ops })
        const tried = fork.organization(ORGANIZATION)
        expect(tried && isAllowed(tried, { principal, permission, resource, now })).toBe(true)
        expect([permission, ...alsoGives].sort()).toEqual([...(role.fact?.permissions ?? [])].sort())
        expect(role.fact?.type).toBe(view.catalogue.typeNumbers.nameOf(view.tree.typeOf(place)))
      }
})

law('facts give the same index in whatever order they are loaded', ({ snapshot, view, world }, run) => {
  const shuffled = createSnapshot()
  const order = run.steps.flat()
  const mixed = <T>(ops: readonly T[]) =>
    ops
      .map((op, n) => ({ op, place: order[n % order.length] ?? 0 }))
      .sort((a, b) => a.place - b.place)
      .map(({ op }) => op)
  const facts = snapshot.facts(ORGANIZATION)
  const catalogue = snapshot.facts('catalogue')
  if (!facts || !catalogue) throw new Error('nothing is held')
  const changes = [
    { ...facts, ops: mixed<unknown>(facts.ops) },
    { ...catalogue, ops: mixed<unknown>(catalogue.ops) },
  ] as (typeof facts)[]
  for (const change of changes) shuffled.load(change)
  const again = shuffled.organization(ORGANIZATION)
  expect(again && digestOf(again, world.now)).toBe(digestOf(view, world.now))
})

law('what does not touch each other may happen in any order', (stage, run) => {
  const give = nextOf(stage, run, 'give')
  const add = nextOf(stage, run, 'add')
  const join = nextOf(stage, run, 'join')
  const commands = [give, add, join].filter(command => command !== undefined)
  const other = stageAfter(run)
  for (const command of commands) stage.perform(command)
  for (const command of commands.toReversed()) other.perform(command)
  expect(digest(other)).toBe(digest(stage))
})

law('a fork answers the same, and what is tried on it stays there', (stage, run) => {
  const before = digest(stage)
  const fork = stage.snapshot.fork(ORGANIZATION)
  const view = fork.organization(ORGANIZATION)
  if (!view) throw new Error('the fork is empty')
  expect(digestOf(view, stage.world.now)).toBe(before)
  const facts = stage.snapshot.facts(ORGANIZATION)
  const ops = (facts?.ops ?? []).filter((_, n) => (run.steps[0]?.[n % 12] ?? 0) % 2 === 0)
  const undone = ops.map(({ fact, id }) => ({ fact, id, value: null }))
  fork.apply({ organization: ORGANIZATION, revision: view.revision + 1, ops: undone as never })
  expect(digest(stage)).toBe(before)
})
