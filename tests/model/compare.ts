import {
  carriersOf,
  effectivePermissions,
  type Held,
  isAllowed,
  listPrincipals,
  listResources,
  nearOf,
  rootsOf,
} from '../../packages/sdk/src/engine/access.ts'
import { findResource, parseRef, pathOf, refOf } from '../../packages/sdk/src/engine/naming.ts'
import type { OrganizationView } from '../../packages/sdk/src/engine/organization.ts'
import * as spec from './spec.ts'

/** Which of all questions are asked: after every step those of one principal and one resource, now and then all. */
export interface Questions {
  principals: readonly string[]
  resources: readonly string[]
}

export function allQuestions(world: spec.World): Questions {
  return { principals: [...world.principals.keys()], resources: [...world.resources.keys()] }
}

/** All of one principal and of one resource, another one each step. */
export function questionsOf(world: spec.World, step: number): Questions {
  const { principals, resources } = allQuestions(world)
  const one = (of: readonly string[]) => of.slice(step % of.length).slice(0, 1)
  return { principals: one(principals), resources: one(resources) }
}

/** What is answered otherwise than the specification answers, in words; empty where all is the same. */
export function differences(world: spec.World, view: OrganizationView, asked: Questions): string[] {
  const names = namesOf(view)
  const found = new Differences()
  compareTree(world, view, found)
  const resources = [...world.resources.keys()]
  for (const principal of asked.principals)
    comparePrincipal({ world, view, names, found }, principal, resources)
  for (const resource of asked.resources) compareResource({ world, view, names, found }, resource)
  return found.all
}

interface Names {
  /** The numbers of principals by name. */
  numbers: Map<string, number>
  principals: Map<number, string>
}

interface Ground {
  world: spec.World
  view: OrganizationView
  names: Names
  found: Differences
}

class Differences {
  readonly all: string[] = []
  /** Compares two answers, lists in the order that they have. The question is only put into words when they differ. */
  expect(question: () => string, got: unknown, wanted: unknown): void {
    if (got === wanted) return
    const [left, right] = [JSON.stringify(got), JSON.stringify(wanted)]
    if (left !== right) this.all.push(`${question()}: got ${left}, wanted ${right}`)
  }
}

function namesOf(view: OrganizationView): Names {
  const facts = [...view.principals.values()]
  return {
    numbers: new Map(facts.map(({ name, seq }) => [name, seq])),
    principals: new Map(facts.map(({ name, seq }) => [seq, name])),
  }
}

function seqOf(view: OrganizationView, resource: string): number {
  const ref = parseRef(resource)
  return ref ? findResource(view, ref.type, ref.id) : 0
}

function compareTree(world: spec.World, view: OrganizationView, found: Differences): void {
  const names = [...view.principals.values()].map(({ name }) => name)
  found.expect(() => 'principals', names.sort(), [...world.principals.keys()].sort())
  found.expect(() => 'size', view.tree.size, world.resources.size)
  for (const resource of world.resources.keys()) {
    const seq = seqOf(view, resource)
    found.expect(() => `ref of ${resource}`, refOf(view, seq), resource)
    const path = spec.pathOf(world, resource)
    const below = path.length > 1 ? path.slice(0, -1) : path
    found.expect(() => `path of ${resource}`, pathOf(view, seq), below.toReversed().join('/'))
    const children = [...view.tree.childrenOf(seq)].map(child => refOf(view, child))
    const lying = [...world.resources].filter(([, { parent }]) => parent === resource)
    found.expect(() => `children of ${resource}`, children.sort(), lying.map(([name]) => name).sort())
  }
}

/** Everything about one principal: check on every resource, why, effective permissions, lists and filters. */
function comparePrincipal(ground: Ground, name: string, resources: readonly string[]): void {
  const { world, view, names, found } = ground
  const { now } = world
  const principal = names.numbers.get(name) ?? 0
  for (const resource of resources) {
    const at = { principal, resource: seqOf(view, resource), now }
    found.expect(
      () => `effective ${name} ${resource}`,
      effectivePermissions(view, at),
      spec.effective(world, name, resource).sort(),
    )
    for (const permission of world.permissions.keys())
      compareCheck(ground, { name, permission, resource }, { ...at, permission })
  }
  for (const permission of world.permissions.keys()) {
    const roots = rootsOf(view, { principal, permission, now }).map(({ resource }) => refOf(view, resource))
    found.expect(
      () => `filter ${name} ${permission}`,
      roots.sort(),
      spec.filter(world, name, permission).sort(),
    )
    for (const { fact: type } of view.catalogue.resourceTypes.values())
      compareList(
        ground,
        { name, permission, type: type.slug },
        { principal, permission, type: type.id, now },
      )
  }
}

type Check = Parameters<typeof isAllowed>[1]

function compareCheck(
  { world, view, names, found }: Ground,
  { name, permission, resource }: { name: string; permission: string; resource: string },
  asked: Check,
): void {
  const question = `${name} ${permission} ${resource}`
  const allowed = spec.check(world, name, permission, resource)
  found.expect(() => `check ${question}`, isAllowed(view, asked), allowed)
  const told = (held: readonly Held[]) => held.map(one => tell(view, names, one)).sort()
  const wanted = (held: readonly spec.Assignment[]) => held.map(one => tellAssignment(one, name)).sort()
  const why = spec.carriers(world, name, permission, resource)
  found.expect(() => `why ${question}`, told(carriersOf(view, asked)), wanted(why))
  const near = spec.near(world, name, permission, resource)
  found.expect(() => `near ${question}`, told(nearOf(view, asked)), wanted(near))
}

/** A list is complete and ascending, with small pages, with one that just fits and one that just does not, and each item says truly why it is in it. */
function compareList(
  { world, view, names, found }: Ground,
  { name, permission, type }: { name: string; permission: string; type: string },
  asked: Omit<Parameters<typeof listResources>[1], 'after' | 'limit'>,
): void {
  const wanted = spec.listResources(world, name, permission, type).sort()
  for (const limit of wanted.length > 1 ? [1, wanted.length - 1, wanted.length] : [1]) {
    const items = pagesOf(after => listResources(view, { ...asked, after, limit }))
    const question = `list ${name} ${permission} ${type} by ${limit}`
    found.expect(() => question, items.map(({ resource }) => refOf(view, resource)).sort(), wanted)
    const seqs = items.map(({ resource }) => resource)
    found.expect(
      () => `order of ${question}`,
      seqs,
      [...seqs].sort((a, b) => a - b),
    )
    for (const { resource, held, direct } of items) {
      const ref = refOf(view, resource)
      const why = spec.carriers(world, name, permission, ref)
      found.expect(() => `directness of ${ref} in ${question}`, direct, why.some(isGiven(name, ref)))
      const isWhy = why.some(one => tellAssignment(one, name) === tell(view, names, held))
      found.expect(() => `reason of ${refOf(view, resource)} in ${question}`, isWhy, true)
    }
  }
}

function compareResource({ world, view, names, found }: Ground, resource: string): void {
  const { now } = world
  for (const permission of world.permissions.keys()) {
    const holders = listPrincipals(view, { permission, resource: seqOf(view, resource), now })
    const seqs = holders.map(({ principal }) => principal)
    const question = `who ${permission} ${resource}`
    found.expect(
      () => `order of ${question}`,
      seqs,
      [...seqs].sort((a, b) => a - b),
    )
    const wanted = spec.listPrincipals(world, permission, resource).sort()
    found.expect(() => question, seqs.map(seq => names.principals.get(seq)).sort(), wanted)
    for (const { principal, held, direct } of holders) {
      const name = names.principals.get(principal) ?? ''
      const why = spec.carriers(world, name, permission, resource)
      found.expect(() => `directness of ${name} in ${question}`, direct, why.some(isGiven(name, resource)))
      const isWhy = why.some(one => tellAssignment(one, name) === tell(view, names, held))
      found.expect(() => `reason of ${name} in ${question}`, isWhy, true)
    }
  }
}

/** Given to this very principal on this very resource. */
const isGiven = (name: string, resource: string) => (one: spec.Assignment) =>
  one.principal === name && one.resource === resource

/** A list's pages put together. */
export function pagesOf<T>(page: (after: number) => { items: T[]; next: number | null }): T[] {
  const items: T[] = []
  for (let after: number | null = 0, pages = 0; after !== null; pages++) {
    if (pages > 1_000) throw new Error('the pages have no end')
    const { items: some, next } = page(after)
    items.push(...some)
    after = next
  }
  return items
}

function tell(view: OrganizationView, names: Names, { assignment, role, group }: Held): string {
  const through = group === null ? 'itself' : names.principals.get(group)
  const { resource, source, expiresAt } = assignment
  return `${role.fact?.slug} on ${refOf(view, resource)} ${source} ${expiresAt} through ${through}`
}

function tellAssignment(
  { principal, role, resource, source, expiresAt }: spec.Assignment,
  name: string,
): string {
  const through = principal === name ? 'itself' : principal
  return `${role} on ${resource} ${source} ${expiresAt} through ${through}`
}
