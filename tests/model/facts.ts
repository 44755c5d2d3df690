import {
  CATALOGUE,
  type CatalogueOp,
  type Change,
  type OrganizationOp,
  ROOT_RESOURCE,
  ROOT_TYPE,
} from '../../packages/sdk/src/core/index.ts'
import { type Command, isSame, ROOT } from './commands.ts'
import type { Schema } from './schema.ts'
import type { Assignment } from './spec.ts'

export const ORGANIZATION = 'org_acme'

/** Says what happens in facts, as the authority's change log would. */
export interface FactWriter {
  catalogue(): Change
  organization(): Change
  /** The next change of the catalogue or the organization; undefined where no fact changes. */
  write(command: Command): Change | undefined
}

type Kind = Schema['principals'][number]['kind']
interface Registered {
  seq: number
  type: string
  parent: string | null
}

export const typeId = (slug: string) => (slug === ROOT_TYPE ? ROOT_TYPE : `rty_${slug}`)
const externalId = (resource: string) => resource.slice(resource.indexOf('/') + 1)

/** Numbers what has names, in the way of the directory: never the same number twice. */
export function createFactWriter(schema: Schema): FactWriter {
  const state = createState(schema)
  const ops = initialOps(schema, state.principals)
  let revisions = { catalogue: 1, organization: 1 }

  function change(
    organization: string,
    found: readonly (OrganizationOp | CatalogueOp)[],
  ): Change | undefined {
    if (found.length === 0) return undefined
    const kind = organization === CATALOGUE ? 'catalogue' : 'organization'
    revisions = { ...revisions, [kind]: revisions[kind] + 1 }
    return { organization, revision: revisions[kind], ops: found } as Change
  }

  return {
    catalogue: () => ({ organization: CATALOGUE, revision: 1, ops: ops.catalogue }),
    organization: () => ({ organization: ORGANIZATION, revision: 1, ops: ops.organization }),
    write(command) {
      if (command.do !== 'edit role') return change(ORGANIZATION, toOps(state, command))
      const role = schema.roles.find(({ slug }) => slug === command.role)
      if (!role) return undefined
      const op = roleOp({ ...role, permissions: command.permissions })
      return change(role.isOwn ? ORGANIZATION : CATALOGUE, [op])
    },
  }
}

interface State {
  principals: Map<string, { seq: number; kind: Kind }>
  resources: Map<string, Registered>
  members: Map<string, { group: string; member: string }>
  assignments: Map<string, Assignment>
  next: { principal: number; resource: number; assignment: number }
}

function createState(schema: Schema): State {
  return {
    principals: new Map(schema.principals.map(({ name, kind }, n) => [name, { seq: n + 1, kind }])),
    resources: new Map([[ROOT, { seq: ROOT_RESOURCE, type: ROOT_TYPE, parent: null }]]),
    members: new Map(),
    assignments: new Map(),
    next: { principal: schema.principals.length + 1, resource: ROOT_RESOURCE + 1, assignment: 1 },
  }
}

function initialOps(schema: Schema, principals: State['principals']) {
  const catalogue: CatalogueOp[] = [
    ...schema.types.map(
      ({ slug, parents }): CatalogueOp => ({
        fact: 'resource_type',
        id: typeId(slug),
        value: { id: typeId(slug), slug, parents: parents.map(typeId), instances: 'registered' },
      }),
    ),
    ...schema.permissions.map(
      ({ slug, type }, bit): CatalogueOp => ({
        fact: 'permission',
        id: `prm_${slug}`,
        value: { id: `prm_${slug}`, slug, type: typeId(type), bit, risk: 'read', condition: null },
      }),
    ),
    ...schema.roles.filter(({ isOwn }) => !isOwn).map(roleOp),
  ]
  const organization: OrganizationOp[] = [
    { fact: 'organization', id: ORGANIZATION, value: { id: ORGANIZATION, slug: 'acme', status: 'active' } },
    ...[...principals].map(([name, principal]) => principalOp(name, principal, 'active')),
    ...schema.roles.filter(({ isOwn }) => isOwn).map(roleOp),
    resourceOp(ROOT_TYPE, [[ROOT_RESOURCE, externalId(ROOT), null]]),
  ]
  return { catalogue, organization }
}

function toOps(state: State, command: Exclude<Command, { do: 'edit role' }>): OrganizationOp[] {
  switch (command.do) {
    case 'add':
      return add(state, command.resources)
    case 'move': {
      const moved = state.resources.get(command.resource)
      const parent = state.resources.get(command.parent)
      if (!moved || !parent) return []
      moved.parent = command.parent
      return [resourceOp(moved.type, [[moved.seq, externalId(command.resource), parent.seq]])]
    }
    case 'remove':
      return remove(state, command.resource)
    case 'give': {
      const replaced = takeWhere(state, one => isSame(one, command.assignment))
      return [...replaced, give(state, command.assignment)]
    }
    case 'take':
      return takeWhere(state, one => isSame(one, command.assignment))
    case 'clear principal':
      return takeWhere(state, one => one.principal === command.principal)
    case 'clear resource':
      return takeWhere(state, one => one.resource === command.resource)
    case 'join': {
      const id = memberId(state, command.group, command.member)
      state.members.set(id, command)
      const [group = 0, member = 0] = id.split('.').map(Number)
      return [{ fact: 'member', id, value: { group, member } }]
    }
    case 'leave':
      return leaveWhere(state, ({ group, member }) => group === command.group && member === command.member)
    case 'set status': {
      const principal = state.principals.get(command.principal)
      return principal ? [principalOp(command.principal, principal, command.status)] : []
    }
    case 'create group': {
      const principal = { seq: state.next.principal++, kind: 'group' as const }
      state.principals.set(command.group, principal)
      return [principalOp(command.group, principal, 'active')]
    }
    case 'remove group': {
      const id = principalId(state, command.group)
      const ops = [
        ...leaveWhere(state, one => one.group === command.group || one.member === command.group),
        ...takeWhere(state, one => one.principal === command.group),
      ]
      state.principals.delete(command.group)
      return [...ops, { fact: 'principal', id, value: null }]
    }
    case 'wait':
      return []
  }
}

function add(state: State, resources: Extract<Command, { do: 'add' }>['resources']): OrganizationOp[] {
  const rows = new Map<string, [number, string, number | null][]>()
  for (const { resource, type, parent } of resources) {
    const seq = state.next.resource++
    state.resources.set(resource, { seq, type, parent })
    const row: [number, string, number] = [seq, externalId(resource), state.resources.get(parent)?.seq ?? 0]
    rows.set(type, [...(rows.get(type) ?? []), row])
  }
  return [...rows].map(([type, ofType]) => resourceOp(type, ofType))
}

/** One op for the whole branch: who applies it knows what lies below. */
function remove(state: State, resource: string): OrganizationOp[] {
  const id = `${state.resources.get(resource)?.seq}`
  const isBelow = (one: string): boolean => {
    const parent = state.resources.get(one)?.parent
    return one === resource || (typeof parent === 'string' && isBelow(parent))
  }
  const gone = new Set([...state.resources.keys()].filter(isBelow))
  for (const one of gone) state.resources.delete(one)
  for (const [key, assignment] of state.assignments)
    if (gone.has(assignment.resource)) state.assignments.delete(key)
  return [{ fact: 'resource', id, value: null }]
}

function give(state: State, assignment: Assignment): OrganizationOp {
  const id = `asg_${state.next.assignment++}`
  state.assignments.set(id, assignment)
  return {
    fact: 'assignment',
    id,
    value: {
      id,
      principal: state.principals.get(assignment.principal)?.seq ?? 0,
      resource: state.resources.get(assignment.resource)?.seq ?? 0,
      role: `rol_${assignment.role}`,
      source: assignment.source,
      expiresAt: assignment.expiresAt,
      createdBy: 'tok_test',
    },
  }
}

function takeWhere(state: State, isTaken: (one: Assignment) => boolean): OrganizationOp[] {
  const taken = [...state.assignments].filter(([, assignment]) => isTaken(assignment))
  for (const [id] of taken) state.assignments.delete(id)
  return taken.map(([id]) => ({ fact: 'assignment', id, value: null }))
}

function leaveWhere(
  state: State,
  leaves: (one: { group: string; member: string }) => boolean,
): OrganizationOp[] {
  const left = [...state.members].filter(([, member]) => leaves(member))
  for (const [id] of left) state.members.delete(id)
  return left.map(([id]) => ({ fact: 'member', id, value: null }))
}

function memberId(state: State, group: string, member: string): string {
  return `${state.principals.get(group)?.seq}.${state.principals.get(member)?.seq}`
}

/** A group that comes back under its old name is another one. */
function principalId(state: State, name: string): string {
  return `${name}#${state.principals.get(name)?.seq}`
}

function principalOp(
  name: string,
  { seq, kind }: { seq: number; kind: Kind },
  status: 'active' | 'suspended',
): OrganizationOp {
  const id = `${name}#${seq}`
  return { fact: 'principal', id, value: { id, seq, kind, name, status } }
}

function roleOp(role: Schema['roles'][number]): CatalogueOp & OrganizationOp {
  const { slug, type, permissions } = role
  return {
    fact: 'role',
    id: `rol_${slug}`,
    value: { id: `rol_${slug}`, slug, type: typeId(type), permissions },
  }
}

function resourceOp(type: string, rows: [number, string, number | null][]): OrganizationOp {
  return { fact: 'resource', id: `${rows[0]?.[0]}`, value: { type: typeId(type), rows } }
}
