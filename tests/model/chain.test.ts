import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Change, LinkFact, OrganizationOp } from '../../packages/sdk/src/core/index.ts'
import { type Caller, decide, filterFor, mayUse } from '../../packages/sdk/src/engine/index.ts'
import { runsOf } from './arbitrary.ts'
import { chooseCommand } from './choose.ts'
import { createDice, type Dice } from './dice.ts'
import { ORGANIZATION } from './facts.ts'
import { requestOn, seqOf, toolsOf } from './on-behalf.ts'
import { createStage, type Run, type Stage } from './run.ts'
import { type Bound, type Chain, check, mayThrough, pathOf } from './spec.ts'

/** Principals of the schema that are made agents here; the first one is the one that a person may let act. */
const AGENTS = ['agent-1#2', 'service-3#4', 'user-2#3'] as const
const OWNER = 'user-0#1'
const nameOf = (id: string) => id.slice(0, id.indexOf('#'))
const FAR = 10 ** 9

interface Node {
  id: string
  fact: LinkFact
  bound: Bound
  above: readonly Node[]
}

/** A world with a tree of delegations: from the first agent on, by what it holds itself or by a person's grant. */
interface Forest {
  stage: Stage
  nodes: Node[]
  grant: Bound
}

function grow(run: Run): Forest {
  const stage = createStage(run.schema)
  for (const numbers of run.steps) stage.perform(chooseCommand(stage.schema, stage.world, numbers))
  const dice = createDice(run.steps.flat().toReversed())
  const grant = { ...boundOf(stage, dice), allows: () => true }
  const nodes: Node[] = []
  const starts: (Node | undefined)[] = [undefined]
  for (let n = 0; n < 6; n++) {
    const parent = dice.pick([...starts, ...nodes.filter(({ fact }) => fact.hops > 0)])
    nodes.push(link(stage, dice, { n, parent }))
  }
  return { stage, nodes, grant }
}

function boundOf({ world }: Stage, dice: Dice): Bound {
  const all = [...world.resources.keys()]
  const permissions = [...world.permissions.keys()]
  const never = dice.roll(4) === 3 ? dice.pick(all) : undefined
  return {
    scopes: dice.roll(4) === 3 ? dice.some(permissions, 2) : permissions,
    resources:
      dice.roll(3) === 2 ? [...new Set([dice.pick(all) ?? '', dice.pick(all) ?? ''])] : all.slice(0, 1),
    allows: resource => never === undefined || idOf(resource) !== idOf(never),
    expiresAt: world.now + (dice.roll(5) === 4 ? 0 : FAR),
    isRevoked: false,
    ...(never !== undefined && { never: idOf(never) }),
  }
}

const idOf = (resource: string) => resource.slice(resource.indexOf('/') + 1)

function link(stage: Stage, dice: Dice, { n, parent }: { n: number; parent: Node | undefined }): Node {
  const bound = boundOf(stage, dice)
  const depth = parent ? parent.above.length + 1 : 0
  const isForPerson = parent ? parent.fact.grant !== null : dice.roll(2) === 1
  const never = 'never' in bound ? `args.id != "${bound.never}"` : null
  const fact: LinkFact = {
    id: `dlg_${n}`,
    from: AGENTS[depth] ?? '',
    to: AGENTS[depth + 1] ?? '',
    parent: parent?.id ?? null,
    grant: isForPerson ? 'gnt_1' : null,
    credential: `crd_${depth}`,
    scopes: [...bound.scopes],
    resources: bound.resources.map(resource => seqOf(stage, resource)),
    condition: never,
    hops: 1 - depth,
    expiresAt: bound.expiresAt ?? 0,
  }
  return { id: fact.id, fact, bound, above: parent ? [...parent.above, parent] : [] }
}

/** Tells the index of the agents, the grant and the delegations. */
function tell({ stage, nodes, grant }: Forest): void {
  const { snapshot, view, world } = stage
  const agent = (id: string, n: number): OrganizationOp[] => [
    {
      fact: 'agent',
      id,
      value: { id, principal: id, owner: OWNER, kind: 'both', ceiling: [...world.permissions.keys()] },
    },
    { fact: 'credential', id: `crd_${n}`, value: { id: `crd_${n}`, agent: id, expiresAt: null } },
  ]
  const person: OrganizationOp = {
    fact: 'grant',
    id: 'gnt_1',
    value: {
      ...{ id: 'gnt_1', agent: AGENTS[0], person: OWNER, scopes: [...grant.scopes] },
      resources: grant.resources.map(resource => seqOf(stage, resource)),
      expiresAt: grant.expiresAt,
    },
  }
  const links = nodes.map(({ id, fact }): OrganizationOp => ({ fact: 'link', id, value: fact }))
  apply(stage, [...AGENTS.flatMap(agent), person, ...links])
  snapshot.apply({
    organization: 'catalogue',
    revision: snapshot.catalogue.revision + 1,
    ops: toolsOf(stage),
  })
  expect(view.links.size).toBe(nodes.length)
}

function apply({ snapshot, view }: Stage, ops: OrganizationOp[]): void {
  snapshot.apply({ organization: ORGANIZATION, revision: view.revision + 1, ops } as Change)
}

function callerOf({ world }: Stage, { id, fact, above }: Node): Partial<Caller> {
  const { grant, to } = fact
  return {
    agent: to,
    credential: `crd_${AGENTS.indexOf(to as (typeof AGENTS)[number])}`,
    scopes: [...world.permissions.keys()],
    person: grant === null ? null : OWNER,
    grant,
    chain: [...above.map(node => node.id), id],
  }
}

/** The same in the words of the specification; a grant stands for nothing where its person is not there. */
function chainOf({ grant }: Forest, { bound, above, fact }: Node): Chain {
  const agents = [...above.map(node => node.fact.from), fact.from, fact.to].map(nameOf)
  const bounds = [...above.map(node => node.bound), bound]
  return fact.grant === null
    ? { agents, person: null, bounds }
    : { agents, person: nameOf(OWNER), bounds: [grant, ...bounds] }
}

/** Owners count too: whose owner is not there does not act. */
const isOwned = ({ world }: Stage) => world.principals.get(nameOf(OWNER)) === 'active'

const questionsOf = ({ world }: Stage) =>
  [...world.permissions].flatMap(([permission, type]) =>
    [...world.resources]
      .filter(([, one]) => one.type === type)
      .map(([resource]) => ({ permission, resource })),
  )

function verdicts(stage: Stage, node: Node): boolean[] {
  return questionsOf(stage).map(({ permission, resource }) => {
    const request = requestOn(stage, permission, resource, callerOf(stage, node))
    return decide(request, stage.snapshot).decision === 'permit'
  })
}

const runs = runsOf({ least: 40, most: 70 })

test('a delegate may do what everybody of its chain may, within every bound, and nothing else', () => {
  const seen = { permit: 0, deny: 0 }
  fc.assert(
    fc.property(runs, run => {
      const forest = grow(run)
      const { stage, nodes } = forest
      tell(forest)
      for (const node of nodes)
        for (const { permission, resource } of questionsOf(stage)) {
          const wanted =
            isOwned(stage) && mayThrough(stage.world, chainOf(forest, node), permission, resource)
          const request = requestOn(stage, permission, resource, callerOf(stage, node))
          const decision = decide(request, stage.snapshot)
          expect(decision.decision, JSON.stringify([node.fact, permission, resource, decision.detail])).toBe(
            wanted ? 'permit' : 'deny',
          )
          expect({ ...decide(request, stage.snapshot, true), legs: [], missing: null }).toEqual(decision)
          seen[wanted ? 'permit' : 'deny']++
          // Never more than each of its members.
          if (wanted)
            for (const one of chainOf(forest, node).agents)
              expect(check(stage.world, one, permission, resource)).toBe(true)
        }
    }),
    { numRuns: 200 },
  )
  expect(seen.permit).toBeGreaterThan(50)
  expect(seen.deny).toBeGreaterThan(100)
})

test('no link gives more than the one before it, and none more than the first agent has without it', () => {
  fc.assert(
    fc.property(runs, run => {
      const forest = grow(run)
      tell(forest)
      for (const node of forest.nodes) {
        const mine = verdicts(forest.stage, node)
        for (const above of node.above) {
          const its = verdicts(forest.stage, above)
          expect(mine.every((may, n) => !may || its[n])).toBe(true)
        }
      }
    }),
    { numRuns: 80 },
  )
})

test('what a query is filtered by is what calls may name, and a tool is shown where one of them passes', () => {
  fc.assert(
    fc.property(runs, run => {
      const forest = grow(run)
      const { stage, nodes } = forest
      tell(forest)
      for (const node of nodes
        .filter(({ bound }) => !('never' in bound))
        .filter(node => !node.above.some(({ bound }) => 'never' in bound)))
        for (const [permission, type] of stage.world.permissions) {
          const request = requestOn(stage, permission, '', callerOf(stage, node))
          const { all, roots } = filterFor(stage.snapshot, request, permission)
          const under = roots.map(root => `${root.type}/${root.id}`)
          const ofType = [...stage.world.resources].filter(([, one]) => one.type === type).map(([one]) => one)
          const permitted = ofType.filter(
            resource =>
              decide(requestOn(stage, permission, resource, callerOf(stage, node)), stage.snapshot)
                .decision === 'permit',
          )
          expect(
            ofType.filter(one => all || pathOf(stage.world, one).some(place => under.includes(place))),
          ).toEqual(permitted)
          // A tool that the person's grant lacks is shown, since the person could grant it.
          if (node.fact.grant === null || forest.grant.scopes.includes(permission))
            expect(mayUse(stage.snapshot, request, request.action)).toBe(permitted.length > 0)
        }
    }),
    { numRuns: 80 },
  )
})

test('taking a link back ends exactly what follows from it, in whatever order links are taken back', () => {
  fc.assert(
    fc.property(runs, fc.uniqueArray(fc.nat(5), { minLength: 1, maxLength: 4 }), (run, taken) => {
      const forests = [grow(run), grow(run)]
      const gone = new Set(taken.map(n => `dlg_${n}`))
      const after = forests.map((forest, n) => {
        tell(forest)
        const before = forest.nodes.map(node => verdicts(forest.stage, node))
        for (const id of n === 0 ? gone : [...gone].toReversed())
          apply(forest.stage, [{ fact: 'link', id, value: null }])
        const left = forest.nodes.map(node => verdicts(forest.stage, node))
        for (const [n, node] of forest.nodes.entries()) {
          const isGone = [node, ...node.above].some(({ id }) => gone.has(id))
          expect(left[n]).toEqual(isGone ? before[n]?.map(() => false) : before[n])
        }
        return left
      })
      expect(after[0]).toEqual(after[1])
    }),
    { numRuns: 80 },
  )
})

test('a chain that is not one is refused: spliced, cut, turned around, of somebody else, or with another grant', () => {
  fc.assert(
    fc.property(runs, run => {
      const forest = grow(run)
      const { stage, nodes } = forest
      tell(forest)
      for (const node of nodes) {
        const caller = callerOf(stage, node)
        const chain = caller.chain ?? []
        const others = nodes.filter(other => other.id !== node.id).map(other => other.id)
        const wrong: Partial<Caller>[] = [
          { ...caller, chain: [...chain].toReversed() },
          { ...caller, chain: chain.slice(0, -1) },
          { ...caller, chain: [...chain, ...chain] },
          ...others.map(other => ({ ...caller, chain: [other, ...chain] })),
          ...others.map(other => ({ ...caller, chain: [...chain.slice(0, -1), other] })),
          {
            ...caller,
            grant: caller.grant === null ? 'gnt_1' : null,
            person: caller.grant === null ? OWNER : null,
          },
          ...AGENTS.filter(agent => agent !== caller.agent).map((agent, n) => ({
            ...caller,
            agent,
            credential: `crd_${n}`,
          })),
        ].filter(({ chain: other, agent, grant }) => !isTrue(forest, { other: other ?? [], agent, grant }))
        for (const who of wrong)
          for (const { permission, resource } of questionsOf(stage).slice(0, 4)) {
            const { decision, reason } = decide(requestOn(stage, permission, resource, who), stage.snapshot)
            expect([decision, reason], JSON.stringify([who.chain, node.fact])).not.toEqual([
              'permit',
              'permitted',
            ])
          }
      }
    }),
    { numRuns: 60 },
  )
})

/** Whether a chain of ids happens to be one of the forest after all; without links, an agent acts by itself. */
function isTrue(
  { nodes }: Forest,
  {
    other,
    agent,
    grant,
  }: { other: readonly string[]; agent: string | undefined; grant: string | null | undefined },
): boolean {
  if (other.length === 0) return true
  return nodes.some(
    node =>
      node.fact.to === agent &&
      node.fact.grant === grant &&
      JSON.stringify([...node.above.map(({ id }) => id), node.id]) === JSON.stringify(other),
  )
}
