/**
 * What access means, in sets and loops: the oracle that the index, the change log and the SQL queries are compared with.
 * It is meant to be read, not to be fast. Things go by their names: a resource is `document/d1`, and a name that is
 * registered again after its removal is another resource, since nothing of the old one is left.
 */
export interface Assignment {
  principal: string
  role: string
  resource: string
  /** The same role from two sources is two assignments. */
  source: 'direct' | 'idp'
  expiresAt: number | null
}

export interface World {
  now: number
  /** The resource type of every permission. */
  permissions: Map<string, string>
  roles: Map<string, ReadonlySet<string>>
  principals: Map<string, 'active' | 'suspended'>
  members: { group: string; member: string }[]
  /** The organization itself is the one without a parent. */
  resources: Map<string, { type: string; parent: string | null }>
  assignments: Assignment[]
}

/** The principal and the groups that it belongs to, directly or through others. Who is not active is nobody. */
export function subjectsOf(world: World, principal: string): Set<string> {
  const subjects = new Set([principal].filter(one => world.principals.get(one) === 'active'))
  for (const subject of subjects)
    for (const { group, member } of world.members)
      if (member === subject && world.principals.get(group) === 'active') subjects.add(group)
  return subjects
}

/** The resource, what it lies in, and so on up to the organization. */
export function pathOf(world: World, resource: string): string[] {
  const parent = world.resources.get(resource)?.parent
  if (parent === undefined) return []
  return parent === null ? [resource] : [resource, ...pathOf(world, parent)]
}

/** All live assignments that reach a principal on a resource. */
function reaching(world: World, principal: string, resource: string): Assignment[] {
  const subjects = subjectsOf(world, principal)
  const path = new Set(pathOf(world, resource))
  return world.assignments.filter(
    ({ principal: subject, resource: place, expiresAt }) =>
      subjects.has(subject) && path.has(place) && (expiresAt === null || expiresAt > world.now),
  )
}

/** The assignments by which a principal holds a permission on a resource. */
export function carriers(world: World, principal: string, permission: string, resource: string) {
  return reaching(world, principal, resource).filter(({ role }) => world.roles.get(role)?.has(permission))
}

/** The assignments that reach, but whose role lacks the permission. */
export function near(world: World, principal: string, permission: string, resource: string) {
  return reaching(world, principal, resource).filter(({ role }) => !world.roles.get(role)?.has(permission))
}

export function check(world: World, principal: string, permission: string, resource: string): boolean {
  return carriers(world, principal, permission, resource).length > 0
}

export function effective(world: World, principal: string, resource: string): string[] {
  const type = world.resources.get(resource)?.type
  const own = [...world.permissions].filter(([, typeOfPermission]) => typeOfPermission === type)
  return own.map(([slug]) => slug).filter(slug => check(world, principal, slug, resource))
}

export function listResources(world: World, principal: string, permission: string, type: string): string[] {
  const ofType = [...world.resources.keys()].filter(resource => world.resources.get(resource)?.type === type)
  return ofType.filter(resource => check(world, principal, permission, resource))
}

export function listPrincipals(world: World, permission: string, resource: string): string[] {
  return [...world.principals.keys()].filter(principal => check(world, principal, permission, resource))
}

/** The highest resources on which the permission is held: all others on which it is held lie below them. */
export function filter(world: World, principal: string, permission: string): string[] {
  const held = [...world.resources.keys()].filter(one => check(world, principal, permission, one))
  return held.filter(resource => !held.includes(world.resources.get(resource)?.parent ?? ''))
}

/** A bound on what an agent does for somebody: a person's grant, or the link by which one agent lets the next act. */
export interface Bound {
  scopes: readonly string[]
  resources: readonly string[]
  /** Whether it lets the arguments of this call through. */
  allows(resource: string): boolean
  expiresAt: number | null
  isRevoked: boolean
}

/** Who acts for whom: the agents from the first to the one that calls, the person behind them, and all bounds between. */
export interface Chain {
  agents: readonly string[]
  person: string | null
  bounds: readonly Bound[]
}

/** What everybody in a chain may do themselves, within every bound that is still there: nothing else. */
export function mayThrough(world: World, chain: Chain, permission: string, resource: string): boolean {
  const everybody = chain.person === null ? chain.agents : [...chain.agents, chain.person]
  return (
    everybody.every(one => check(world, one, permission, resource)) &&
    chain.bounds.every(
      ({ scopes, resources, allows, expiresAt, isRevoked }) =>
        !isRevoked &&
        (expiresAt === null || expiresAt > world.now) &&
        scopes.includes(permission) &&
        pathOf(world, resource).some(one => resources.includes(one)) &&
        allows(resource),
    )
  )
}

/** A resource goes with everything below it and with every assignment there. */
export function removeResource(world: World, resource: string): void {
  for (const other of [...world.resources.keys()].filter(one => pathOf(world, one).includes(resource))) {
    world.resources.delete(other)
    world.assignments = world.assignments.filter(assignment => assignment.resource !== other)
  }
}
