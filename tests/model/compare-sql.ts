import { findResource, parseRef } from '../../packages/sdk/src/engine/naming.ts'
import type { DirectoryStage } from './directory.ts'
import * as spec from './spec.ts'
import * as sql from './sql.ts'

/** Of how many permissions one is checked each time, everywhere and for everyone; the other kinds ask for all. */
const TURNS = 3

/** What the queries over the tables answer otherwise than the specification, for questions of every kind. */
export async function sqlDifferences(stage: DirectoryStage, turn: number): Promise<string[]> {
  const { store, organization, world, view } = stage
  // One moment of the database, as one index is one revision.
  return store.read(async db => {
    const ground = {
      asker: { db, organization, now: world.now },
      world,
      ...numbersOf(stage),
      found: [],
      turn,
    }
    const parents = [...(await sql.tree(ground.asker))].sort(([a], [b]) => a - b)
    const wanted = [...ground.resources.values()].map(seq => [seq, view.tree.parentOf(seq) || null] as const)
    expect(
      ground,
      'tree',
      parents,
      wanted.sort(([a], [b]) => a - b),
    )
    for (const principal of ground.principals.keys()) await comparePrincipal(ground, principal)
    for (const [resource, seq] of ground.resources)
      for (const permission of world.permissions.keys()) {
        const wanted = spec
          .listPrincipals(world, permission, resource)
          .map(name => ground.principals.get(name))
        const got = await sql.listPrincipals(ground.asker, permission, seq)
        expect(ground, `who ${permission} ${resource}`, got, ascending(wanted))
      }
    return ground.found
  })
}

interface Ground {
  asker: sql.Asker
  world: spec.World
  principals: Map<string, number>
  resources: Map<string, number>
  found: string[]
  turn: number
}

function numbersOf({ world, view }: DirectoryStage) {
  const principals = new Map([...view.principals.values()].map(({ name, seq }) => [name, seq]))
  const resources = new Map(
    [...world.resources.keys()].map(resource => {
      const ref = parseRef(resource)
      return [resource, ref ? findResource(view, ref.type, ref.id) : 0]
    }),
  )
  return { principals, resources }
}

async function comparePrincipal(ground: Ground, name: string): Promise<void> {
  const { asker, world, principals, resources } = ground
  const principal = principals.get(name) ?? 0
  const permissions = [...world.permissions.keys()]
  for (const [resource, seq] of resources) {
    const held = spec.effective(world, name, resource).sort()
    expect(ground, `effective ${name} ${resource}`, await sql.effective(asker, principal, seq), held)
    for (const permission of permissions.filter((_, n) => n % TURNS === ground.turn % TURNS)) {
      const isHeld = spec.check(world, name, permission, resource)
      const got = await sql.check(asker, principal, permission, seq)
      expect(ground, `check ${name} ${permission} ${resource}`, got, isHeld)
    }
  }
  const numbers = (names: readonly string[]) => ascending(names.map(one => resources.get(one)))
  for (const permission of permissions) {
    const roots = numbers(spec.filter(world, name, permission))
    expect(ground, `filter ${name} ${permission}`, await sql.filter(asker, principal, permission), roots)
    for (const type of new Set([...world.resources.values()].map(one => one.type))) {
      const listed = numbers(spec.listResources(world, name, permission, type))
      const got = await sql.listResources(asker, { principal, permission, type })
      expect(ground, `list ${name} ${permission} ${type}`, got, listed)
    }
  }
}

function expect(ground: Ground, question: string, got: unknown, wanted: unknown): void {
  const [left, right] = [JSON.stringify(got), JSON.stringify(wanted)]
  if (left !== right) ground.found.push(`SQL, ${question}: got ${left}, wanted ${right}`)
}

function ascending(numbers: readonly (number | undefined)[]): number[] {
  return numbers.map(number => number ?? 0).sort((a, b) => a - b)
}
