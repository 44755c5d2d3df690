import { type ResourceTypeFact, ROOT_RESOURCE } from '../core/index.ts'
import { intersectRoots } from './access.ts'
import { ROOT_TYPE_FACT } from './catalogue.ts'
import { pathBelow, pathOf } from './naming.ts'
import type { OrganizationView } from './organization.ts'
import { type Address, escapeSegment, type Step } from './template.ts'

/** What a call is about: one resource, or some resource of a type at or below one. */
export interface Target {
  /** By number. What is allowed there is allowed for the target. */
  resource: number
  /** What it is called; where some resource is meant, what that one lies under is. */
  type: ResourceTypeFact
  id: string
  /** Its path as it is recorded; null for the whole organization. */
  path: string | null
  /** The id of the type of which some resource is meant; null where the resource itself is. */
  some: string | null
}

export function wholeOf({ tree }: OrganizationView): Target {
  const id = tree.externalIdOf(ROOT_RESOURCE)
  return { resource: ROOT_RESOURCE, type: ROOT_TYPE_FACT, id, path: null, some: null }
}

/**
 * Finds what an address names: a live resource of this organization that lies where the address says. Undefined where
 * there is none: nobody learns whether another organization has it, or whether it lies elsewhere.
 */
export function resolveAddress(view: OrganizationView, address: Address): Target | undefined {
  let { resource, type: above, id: idAbove } = wholeOf(view)
  const last = address.length - 1
  for (let index = 0; index <= last; index++) {
    const { type: slug, id } = address[index] as Step
    const type = view.catalogue.typesBySlug.get(slug)
    if (!type) return undefined
    const isLast = index === last
    if (id === null || type.instances === 'open') {
      if (!isLast) return undefined
      const path = `${pathBelow(view, resource)}${slug}/${id === null ? '*' : escapeSegment(id)}`
      const named = id === null ? { type: above, id: idAbove } : { type, id }
      return { resource, ...named, path, some: type.instances === 'open' ? null : type.id }
    }
    const found = view.tree.find(type.id, id)
    if (found === 0 || (index > 0 && (found === resource || !view.tree.isWithin(found, resource))))
      return undefined
    resource = found
    above = type
    idAbove = id
  }
  return { resource, type: above, id: idAbove, path: pathOf(view, resource), some: null }
}

/** Whether there is a resource of a type at or below one of these. */
export function hasSome(view: OrganizationView, typeId: string, roots: readonly number[]): boolean {
  if (view.tree.countOf(typeId) === 0) return false
  for (const root of roots) {
    if (root === ROOT_RESOURCE) return true
    for (const _ of view.tree.ofTypeWithin(typeId, root)) return true
  }
  return false
}

/** The parts of a target that lie under these roots: itself, or, where some resource is meant, those that hold one. */
export function meet(view: OrganizationView, target: Target, roots: readonly number[]): number[] {
  const { resource, some } = target
  if (some === null) return roots.some(root => view.tree.isWithin(resource, root)) ? [resource] : []
  return intersectRoots(view, [resource], roots).filter(root => hasSome(view, some, [root]))
}
