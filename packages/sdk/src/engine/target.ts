import { ROOT_RESOURCE } from '../core/index.ts'
import { intersectRoots } from './access.ts'
import { ROOT_TYPE_VIEW, type TypeView } from './catalogue.ts'
import { pathBelow, pathOf } from './naming.ts'
import type { OrganizationView } from './organization.ts'
import type { Rule } from './rule.ts'
import { type Address, escapeSegment } from './template.ts'

/** What a call is about: one resource, or some resource of a type at or below one. */
export interface Target {
  /** By number. What is allowed there is allowed for the target. */
  resource: number
  /** What it is called; where some resource is meant, what that one lies under is. */
  type: TypeView
  id: string
  /** Its path as it is recorded; null for the whole organization. */
  path: string | null
  /** The type of which some resource is meant; null where the resource itself is. */
  some: TypeView | null
}

export function wholeOf({ tree }: OrganizationView): Target {
  const id = tree.externalIdOf(ROOT_RESOURCE)
  return { resource: ROOT_RESOURCE, type: ROOT_TYPE_VIEW, id, path: null, some: null }
}

/**
 * Finds what an address names, its types as the rule has looked them up: a live resource of this organization that lies
 * where the address says. Undefined where there is none: nobody learns whether another organization has it, or whether
 * it lies elsewhere.
 */
export function resolveAddress(
  view: OrganizationView,
  types: Rule['types'],
  address: Address,
): Target | undefined {
  const last = address.length - 1
  const type = types[last]
  const id = address[last]
  if (!type || id === undefined) return undefined
  const isOpen = type.fact.instances === 'open'
  if (id !== null && !isOpen) return findNamed(view, types, address, last)
  const under = last === 0 ? wholeOf(view) : findNamed(view, types, address, last - 1)
  if (!under) return undefined
  const path = `${pathBelow(view, under.resource)}${type.fact.slug}/${id === null ? '*' : escapeSegment(id)}`
  const named = id === null ? { type: under.type, id: under.id } : { type, id }
  return { resource: under.resource, ...named, path, some: isOpen ? null : type }
}

/** The registered resource that one of the ids of an address names. */
function findNamed(
  view: OrganizationView,
  types: Rule['types'],
  address: Address,
  index: number,
): Target | undefined {
  const [type, id] = [types[index], address[index]]
  if (!type || typeof id !== 'string') return undefined
  const resource = view.tree.find(type.number, id)
  if (resource === 0 || !liesWhere(view, resource, types, address, index)) return undefined
  return { resource, type, id, path: pathOf(view, resource), some: null }
}

/** Whether a resource lies below those that the ids before its own name, in their order. */
function liesWhere(
  { tree }: OrganizationView,
  resource: number,
  types: Rule['types'],
  address: Address,
  index: number,
): boolean {
  let at = resource
  for (let above = index - 1; above >= 0; above--) {
    const type = types[above]?.number
    if (type === undefined) return false
    // It is met on the way up or not at all: to look for it by its name would be one more search among all there are.
    do at = tree.parentOf(at)
    while (at !== 0 && tree.typeOf(at) !== type)
    if (at === 0 || tree.externalIdOf(at) !== address[above]) return false
  }
  return true
}

/** Whether there is a resource of a type, by number, at or below one of these. */
export function hasSome({ tree }: OrganizationView, type: number, roots: readonly number[]): boolean {
  if (tree.countOf(type) === 0) return false
  for (const root of roots) {
    if (root === ROOT_RESOURCE) return true
    for (const _ of tree.ofTypeWithin(type, root)) return true
  }
  return false
}

/** The parts of a target that lie under these roots: itself, or, where some resource is meant, those that hold one. */
export function meet(view: OrganizationView, target: Target, roots: readonly number[]): number[] {
  const { resource, some } = target
  if (some === null) return roots.some(root => view.tree.isWithin(resource, root)) ? [resource] : []
  return intersectRoots(view, [resource], roots).filter(root => hasSome(view, some.number, [root]))
}
