import {
  type ActionKind,
  AppError,
  type CatalogueOp,
  ENVIRONMENT,
  type ForwardFact,
  type PermissionFact,
  type ResourceTypeFact,
  ROOT_TYPE,
  type RoleFact,
  type ServerFact,
  type ServerKeyFact,
  type SigningKeyFact,
  type ToolFact,
} from '../core/index.ts'
import { compilePermissionCondition, type PermissionInput } from './condition.ts'
import { Numbers } from './numbers.ts'
import { compileRule, type Rule, typesOf } from './rule.ts'

/** An MCP server with the rules of its tools. */
export interface ServerView {
  fact: ServerFact
  /** By kind and name. */
  rules: Record<ActionKind, Map<string, Rule>>
  /** Rules for resource URIs that end in `*`, longest first. */
  prefixes: Rule[]
}

export interface TypeView {
  fact: ResourceTypeFact
  /** By which trees name it; the same for as long as this catalogue is held. */
  number: number
}

export interface PermissionView {
  fact: PermissionFact
  /** By which roles name it; likewise. */
  number: number
  /** Whether its condition holds; always where it has none. */
  holds(input: PermissionInput): boolean
}

/** A role. One object for as long as anything names the role, so that to change it is to change it for all at once. */
export interface RoleView {
  readonly id: string
  /** Null where the role is not known (any more): it then gives nothing. */
  fact: RoleFact | null
  /** A bit for each permission that it holds, by the permission's number. */
  bits: Int32Array
}

/** What is the same for every organization. */
export interface CatalogueView {
  revision: number
  /** Another object after every change: what was found out with this one at hand still holds. */
  version: object
  servers: Map<string, ServerView>
  /** By slug. */
  permissions: Map<string, PermissionView>
  /** The same by number. */
  permissionAt: (PermissionView | undefined)[]
  /** Of every permission that was ever named here, by slug. */
  permissionNumbers: Numbers
  /** By id. */
  resourceTypes: Map<string, TypeView>
  /** By slug. */
  typesBySlug: Map<string, TypeView>
  /** By number. */
  typeAt: (TypeView | undefined)[]
  /** Of every type that was ever named here, by id. */
  typeNumbers: Numbers
  roles: Map<string, RoleView>
  isFrozen: boolean
  /** By `kid`. */
  signingKeys: Map<string, SigningKeyFact>
  /** Which server may call which for those who called it, by the fact's id. */
  forwards: Map<string, ForwardFact>
  /** The keys of servers that count, by id. */
  serverKeys: Map<string, ServerKeyFact>
}

const NOTHING = new Int32Array(0)
/** The type of the roots is there from the beginning. */
export const ROOT_TYPE_VIEW: TypeView = {
  fact: { id: ROOT_TYPE, slug: ROOT_TYPE, parents: [], instances: 'registered' },
  number: 1,
}

export function emptyCatalogue(): CatalogueView {
  const typeNumbers = new Numbers()
  typeNumbers.of(ROOT_TYPE)
  return {
    revision: -1,
    version: {},
    servers: new Map(),
    permissions: new Map(),
    permissionAt: [],
    permissionNumbers: new Numbers(),
    resourceTypes: new Map([[ROOT_TYPE, ROOT_TYPE_VIEW]]),
    typesBySlug: new Map([[ROOT_TYPE, ROOT_TYPE_VIEW]]),
    typeAt: [undefined, ROOT_TYPE_VIEW],
    typeNumbers,
    roles: new Map(),
    isFrozen: false,
    signingKeys: new Map(),
    forwards: new Map(),
    serverKeys: new Map(),
  }
}

/** A role by id; one that is not known yet gives nothing until it is. */
export function roleIn(roles: Map<string, RoleView>, id: string): RoleView {
  const known = roles.get(id)
  if (known) return known
  const role: RoleView = { id, fact: null, bits: NOTHING }
  roles.set(id, role)
  return role
}

/** Puts a role where the catalogue or an organization keeps its own. */
export function putRole(
  catalogue: CatalogueView,
  roles: Map<string, RoleView>,
  { id, value }: { id: string; value: RoleFact | null },
): void {
  const role = roleIn(roles, id)
  role.fact = value
  role.bits = value ? bitsOf(value.permissions.map(slug => catalogue.permissionNumbers.of(slug))) : NOTHING
}

function bitsOf(numbers: readonly number[]): Int32Array {
  const bits = new Int32Array((Math.max(0, ...numbers) >> 5) + 1)
  for (const number of numbers) bits[number >> 5] = (bits[number >> 5] ?? 0) | (1 << (number & 31))
  return bits
}

/** Whether a role holds a permission, by number. */
export function gives({ bits }: RoleView, permission: number): boolean {
  return ((bits[permission >> 5] ?? 0) & (1 << (permission & 31))) !== 0
}

export function applyToCatalogue(view: CatalogueView, op: CatalogueOp): void {
  switch (op.fact) {
    case 'server':
      putServer(view, op.id, op.value)
      return
    case 'tool':
      putTool(view, op.id, op.value)
      return
    case 'resource_type':
      putResourceType(view, op.id, op.value)
      return
    case 'permission':
      putPermission(view, op.id, op.value)
      return
    case 'role':
      putRole(view, view.roles, op)
      return
    case 'environment':
      view.isFrozen = op.value?.status === 'frozen'
      return
    case 'signing_key':
      if (op.value) view.signingKeys.set(op.id, op.value)
      else view.signingKeys.delete(op.id)
      return
    case 'forward':
      if (op.value) view.forwards.set(op.id, op.value)
      else view.forwards.delete(op.id)
      return
    case 'server_key':
      if (op.value) view.serverKeys.set(op.id, op.value)
      else view.serverKeys.delete(op.id)
      return
    default:
      throw new AppError('internal', `unreachable: ${JSON.stringify(op satisfies never)}`)
  }
}

/** All facts of the catalogue, as the change from nothing. */
export function catalogueOps(view: CatalogueView): CatalogueOp[] {
  const ops: CatalogueOp[] = []
  for (const [id, { fact }] of view.servers) ops.push({ fact: 'server', id, value: fact })
  for (const [id, { fact }] of view.resourceTypes) ops.push({ fact: 'resource_type', id, value: fact })
  for (const { fact } of view.permissions.values()) ops.push({ fact: 'permission', id: fact.id, value: fact })
  for (const { id, fact } of view.roles.values()) if (fact) ops.push({ fact: 'role', id, value: fact })
  if (view.isFrozen) ops.push({ fact: 'environment', id: ENVIRONMENT, value: { status: 'frozen' } })
  for (const [id, fact] of view.signingKeys) ops.push({ fact: 'signing_key', id, value: fact })
  for (const [id, fact] of view.forwards) ops.push({ fact: 'forward', id, value: fact })
  for (const [id, fact] of view.serverKeys) ops.push({ fact: 'server_key', id, value: fact })
  for (const { rules } of view.servers.values())
    for (const named of Object.values(rules))
      for (const { fact } of named.values()) ops.push({ fact: 'tool', id: fact.id, value: fact })
  return ops
}

function putServer(view: CatalogueView, id: string, fact: ServerFact | null): void {
  const held = view.servers.get(id)
  if (!fact) view.servers.delete(id)
  else if (held) held.fact = fact
  else view.servers.set(id, { fact, rules: noRules(), prefixes: [] })
}

function putTool(view: CatalogueView, id: string, fact: ToolFact | null): void {
  for (const server of view.servers.values()) {
    if (fact && server.fact.id !== fact.server) continue
    for (const rules of Object.values(server.rules))
      for (const [name, rule] of rules) if (rule.fact.id === id) rules.delete(name)
    if (fact) server.rules[fact.kind].set(fact.name, compileRule(fact, view))
    server.prefixes = [...server.rules.resource.values()]
      .filter(rule => rule.fact.name.endsWith('*'))
      .sort((a, b) => b.fact.name.length - a.fact.name.length)
  }
}

function putResourceType(view: CatalogueView, id: string, fact: ResourceTypeFact | null): void {
  const number = view.typeNumbers.of(id)
  const old = view.resourceTypes.get(id)
  if (old) view.typesBySlug.delete(old.fact.slug)
  view.resourceTypes.delete(id)
  const type = fact ? { fact, number } : undefined
  view.typeAt[number] = type
  if (type) {
    view.resourceTypes.set(id, type)
    view.typesBySlug.set(type.fact.slug, type)
  }
  for (const { rules } of view.servers.values())
    for (const named of Object.values(rules))
      for (const rule of named.values()) rule.types = typesOf(rule, view)
}

function putPermission(view: CatalogueView, id: string, fact: PermissionFact | null): void {
  for (const { fact: held, number } of view.permissions.values()) {
    if (held.id !== id) continue
    view.permissions.delete(held.slug)
    view.permissionAt[number] = undefined
  }
  if (!fact) return
  const number = view.permissionNumbers.of(fact.slug)
  const permission = { fact, number, holds: compilePermissionCondition(fact.condition) }
  view.permissions.set(fact.slug, permission)
  view.permissionAt[number] = permission
}

function noRules(): ServerView['rules'] {
  return { tool: new Map(), resource: new Map(), prompt: new Map(), method: new Map() }
}
