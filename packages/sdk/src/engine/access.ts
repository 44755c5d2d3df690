import { type AssignmentFact, ROOT_RESOURCE } from '../core/index.ts'
import { gives, type RoleView } from './catalogue.ts'
import type { Holding } from './holdings.ts'
import { isActivePrincipal, type OrganizationView } from './organization.ts'

/** Whether a principal holds a permission on a resource: both by number, `now` in milliseconds since 1970. */
export interface Question {
  principal: number
  permission: string
  resource: number
  now: number
}

/** By which assignment somebody holds something, and through which group, by number. */
export interface Held {
  assignment: AssignmentFact
  role: RoleView
  group: number | null
}

/** A resource on which something is held. */
export interface HeldOn {
  resource: number
  held: Held
}

/** A principal that holds something. */
export interface HeldBy {
  principal: number
  held: Held
  /** Given to this very principal, on this very resource. */
  direct: boolean
}

/**
 * Whether one of a principal's roles, given on the resource or above it, to itself or to a group of it, holds the
 * permission now. Default deny: nobody, nothing and nowhere give no.
 */
export function isAllowed(view: OrganizationView, question: Question): boolean {
  return isHeld(view, numberOf(view, question.permission), question)
}

/** The same for a permission by number, whose name has been looked up before. */
export function isHeld(
  view: OrganizationView,
  permission: number,
  { principal, resource, now }: Omit<Question, 'permission'>,
): boolean {
  const { tree, holdings } = view
  const subjects = view.groups.subjectsOf(principal)
  for (let at = resource; at !== 0; at = tree.parentOf(at)) {
    if (!tree.isGiven(at)) continue
    for (const subject of subjects)
      for (let held = holdings.here(subject, at); held; held = held.nextHere)
        if (carries(held, permission, now)) return tree.has(resource)
  }
  return false
}

/** The number of a permission; 0, which nobody holds, where none is called so. */
function numberOf({ catalogue }: OrganizationView, permission: string): number {
  return catalogue.permissionNumbers.find(permission)
}

function carries(held: Holding, permission: number, now: number): boolean {
  return gives(held.role, permission) && isLive(held, now)
}

function isLive({ expiresAt }: Holding, now: number): boolean {
  return expiresAt === null || expiresAt > now
}

/** Every assignment by which a principal holds a permission on a resource, the nearest first. */
export function carriersOf(view: OrganizationView, question: Question): Held[] {
  const held = onTheWayUp(view, question, numberOf(view, question.permission))
  return held.map(one => toHeld(one, question.principal))
}

/** The roles that a principal has on a resource or above it, and that lack the permission. */
export function nearOf(view: OrganizationView, question: Question): Held[] {
  const permission = numberOf(view, question.permission)
  const near = onTheWayUp(view, question).filter(({ role }) => !gives(role, permission))
  return near.map(held => toHeld(held, question.principal))
}

/**
 * Every live assignment of a principal and its groups from a resource up to the root, the nearest first; those alone
 * that hold a permission, by number, where one is named.
 */
export function onTheWayUp(
  view: OrganizationView,
  { principal, resource, now }: Omit<Question, 'permission'>,
  permission?: number,
): Holding[] {
  const found: Holding[] = []
  const { tree, holdings } = view
  if (!tree.has(resource)) return found
  const subjects = view.groups.subjectsOf(principal)
  for (let at = resource; at !== 0; at = tree.parentOf(at)) {
    if (!tree.isGiven(at)) continue
    for (const subject of subjects)
      for (let held = holdings.here(subject, at); held; held = held.nextHere)
        if (isLive(held, now) && (permission === undefined || gives(held.role, permission))) found.push(held)
  }
  return found
}

function toHeld({ fact, role }: Holding, principal: number): Held {
  return { assignment: fact, role, group: fact.principal === principal ? null : fact.principal }
}

/** The permissions of a resource's own type that a principal holds there, in the order of the alphabet. */
export function effectivePermissions(
  view: OrganizationView,
  question: Omit<Question, 'permission'>,
): string[] {
  const type = view.catalogue.typeNumbers.nameOf(view.tree.typeOf(question.resource))
  const found = new Set<string>()
  for (const { role } of onTheWayUp(view, question))
    for (const permission of role.fact?.permissions ?? [])
      if (view.catalogue.permissions.get(permission)?.fact.type === type) found.add(permission)
  return [...found].sort()
}

/**
 * The fewest resources under which a principal holds a permission everywhere: none lies below another, and what lies
 * below none of them is out of reach. Ascending by number; costs what the principal was given, not what there is.
 */
export function rootsOf(
  view: OrganizationView,
  { principal, permission, now }: Omit<Question, 'resource'>,
): HeldOn[] {
  const number = numberOf(view, permission)
  const roots = new Map<number, HeldOn>()
  for (const subject of view.groups.subjectsOf(principal))
    for (let held = view.holdings.of(subject); held; held = held.nextOf) {
      const { resource } = held.fact
      if (roots.has(resource) || !carries(held, number, now)) continue
      if (view.tree.has(resource)) roots.set(resource, { resource, held: toHeld(held, principal) })
    }
  return minimal(view, roots)
}

/** Without those that lie below others of them. */
function minimal<T extends { resource: number }>(view: OrganizationView, roots: ReadonlyMap<number, T>): T[] {
  const isBelowAnother = ({ resource }: T) => {
    for (let at = view.tree.parentOf(resource); at !== 0; at = view.tree.parentOf(at))
      if (roots.has(at)) return true
    return false
  }
  return [...roots.values()].filter(root => !isBelowAnother(root)).sort((a, b) => a.resource - b.resource)
}

/** What lies under both sides: of each pair that overlaps, the lower one. */
export function intersectRoots(
  view: OrganizationView,
  left: readonly number[],
  right: readonly number[],
): number[] {
  const both = new Map<number, { resource: number }>()
  const keep = (from: readonly number[], under: ReadonlySet<number>) => {
    for (const resource of from)
      for (let at = resource; at !== 0; at = view.tree.parentOf(at))
        if (under.has(at)) both.set(resource, { resource })
  }
  keep(left, new Set(right))
  keep(right, new Set(left))
  return minimal(view, both).map(({ resource }) => resource)
}

/**
 * The resources of a type on which a principal holds a permission, ascending by number, those above `after`: complete,
 * page by page. `next` is what to pass as `after` for the next page, or null at the end.
 */
export function listResources(
  view: OrganizationView,
  question: Omit<Question, 'resource'> & { type: string; after: number; limit: number },
): { items: (HeldOn & { direct: boolean })[]; next: number | null } {
  const { after, limit, principal } = question
  const type = view.catalogue.typeNumbers.find(question.type)
  const roots = rootsOf(view, question)
  const found = new Map<number, Held>()
  if (roots.some(({ resource }) => resource === ROOT_RESOURCE)) {
    const held = roots[0]?.held as Held
    for (const seq of view.tree.ofType(type, after)) {
      found.set(seq, held)
      if (found.size > limit) break
    }
  } else {
    for (const { resource, held } of roots)
      for (const seq of view.tree.ofTypeWithin(type, resource)) if (seq > after) found.set(seq, held)
  }
  const numbers = [...found.keys()].sort((a, b) => a - b)
  const items = numbers.slice(0, limit).map(resource => {
    const held = nearestOf(view, question, resource) ?? (found.get(resource) as Held)
    return {
      resource,
      held,
      direct: held.assignment.resource === resource && held.assignment.principal === principal,
    }
  })
  return { items, next: numbers.length > limit ? (items.at(-1)?.resource ?? null) : null }
}

/** What carries a permission on one resource: what was given to the principal itself there, if anything was. */
function nearestOf(
  view: OrganizationView,
  { principal, permission, now }: Omit<Question, 'resource'>,
  resource: number,
): Held | undefined {
  const number = numberOf(view, permission)
  for (let held = view.holdings.here(principal, resource); held; held = held.nextHere)
    if (carries(held, number, now)) return toHeld(held, principal)
  return undefined
}

/** Everyone who holds a permission on a resource, each once, ascending by number: groups, and whoever is in them. */
export function listPrincipals(
  view: OrganizationView,
  { permission, resource, now }: Omit<Question, 'principal'>,
): HeldBy[] {
  const found = new Map<number, HeldBy>()
  const number = numberOf(view, permission)
  const isActive = (seq: number) => isActivePrincipal(view, seq)
  for (let at = view.tree.has(resource) ? resource : 0; at !== 0; at = view.tree.parentOf(at))
    for (let held = view.holdings.at(at); held; held = held.nextAt) {
      if (!carries(held, number, now) || !isActive(held.fact.principal)) continue
      for (const principal of view.groups.membersOf(held.fact.principal)) {
        const direct = held.fact.principal === principal && at === resource
        if (direct || !found.has(principal))
          found.set(principal, { principal, held: toHeld(held, principal), direct })
      }
    }
  return [...found.values()].sort((a, b) => a.principal - b.principal)
}

/** The roles, by id, that a principal has somewhere, itself or through a group. */
export function rolesOf(
  view: OrganizationView,
  { principal, now }: Pick<Question, 'principal' | 'now'>,
): Set<string> {
  const found = new Set<string>()
  for (const subject of view.groups.subjectsOf(principal))
    for (let held = view.holdings.of(subject); held; held = held.nextOf)
      if (isLive(held, now)) found.add(held.fact.role)
  return found
}

/** Roles that would give a permission on a resource: the nearest place first, then the one that gives the least else. */
export function wouldAllow(
  view: OrganizationView,
  { permission, resource }: Pick<Question, 'permission' | 'resource'>,
): { role: RoleView; resource: number; alsoGives: string[] }[] {
  const roles = [...view.roles.values(), ...view.catalogue.roles.values()]
  const number = numberOf(view, permission)
  const found: { role: RoleView; resource: number; alsoGives: string[] }[] = []
  for (let at = view.tree.has(resource) ? resource : 0; at !== 0; at = view.tree.parentOf(at)) {
    const type = view.catalogue.typeNumbers.nameOf(view.tree.typeOf(at))
    const here = roles
      .filter(role => role.fact?.type === type && gives(role, number))
      .map(role => ({
        role,
        resource: at,
        alsoGives: (role.fact?.permissions ?? []).filter(other => other !== permission).sort(),
      }))
    found.push(...here.sort((a, b) => a.alsoGives.length - b.alsoGives.length))
  }
  return found
}
