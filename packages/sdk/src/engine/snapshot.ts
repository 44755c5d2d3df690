import {
  type ActionKind,
  type AgentFact,
  AppError,
  type AssignmentFact,
  CATALOGUE,
  type CatalogueOp,
  type Change,
  type CredentialFact,
  isCatalogueChange,
  type OrganizationFact,
  type OrganizationOp,
  type PermissionFact,
  type PrincipalFact,
  type ResourceTypeFact,
  type RoleFact,
  type ServerFact,
  type ToolFact,
} from '../core/index.ts'
import { compileRule, type Rule } from './rule.ts'

/** An MCP server with the rules of its tools. */
export interface ServerView {
  fact: ServerFact
  /** By kind and name. */
  rules: Record<ActionKind, Map<string, Rule>>
  /** Rules for resource URIs that end in `*`, longest first. */
  prefixes: Rule[]
}

export interface CatalogueView {
  revision: number
  servers: Map<string, ServerView>
  permissions: Map<string, PermissionFact>
  resourceTypes: Map<string, ResourceTypeFact>
  roles: Map<string, RoleView>
}

export interface RoleView {
  fact: RoleFact
  permissions: ReadonlySet<string>
}

/** An agent with all that is looked at whenever it calls, in one place. */
export interface Seat {
  agent: AgentFact
  principal: PrincipalFact
  owner: PrincipalFact | undefined
  credentials: ReadonlyMap<string, CredentialFact>
  assignments: readonly { fact: AssignmentFact; role: RoleView }[]
}

/** What is known of one organization at one revision. */
export interface OrganizationView {
  revision: number
  fact: OrganizationFact | undefined
  principals: Map<string, PrincipalFact>
  agents: Map<string, AgentFact>
  credentials: Map<string, CredentialFact>
  /** By the agent's id. */
  credentialsOf: Map<string, Map<string, CredentialFact>>
  roles: Map<string, RoleView>
  assignments: Map<string, AssignmentFact>
  /** By the principal's number. */
  assignmentsOf: Map<number, AssignmentFact[]>
  revokedTokens: Map<string, number>
  /** An index of these facts and the catalogue's, made where it is needed and forgotten with any revision of either. */
  seats: Map<string, Seat>
}

/**
 * The replica that decisions are made on: the catalogue and the organizations that were loaded. A change is applied
 * whole, between two awaits, so that every decision sees exactly one revision of each.
 */
export interface Snapshot {
  readonly catalogue: CatalogueView
  organization(id: string): OrganizationView | undefined
  /** What is known of an agent; undefined where nothing is. */
  seat(organization: OrganizationView, agent: string): Seat | undefined
  /** Ids of the organizations that are held. */
  organizations(): string[]
  /** Revision that is held, or undefined where nothing is. The catalogue goes by the name `catalogue`. */
  revisionOf(organization: string): number | undefined
  /** Applies the next revision. An older one is ignored; a gap gives false, and the caller loads anew. */
  apply(change: Change): boolean
  /** Replaces all that is held of an organization (or the catalogue) by these facts. */
  load(change: Change): void
  /** Forgets an organization. */
  drop(organization: string): void
}

export function createSnapshot(): Snapshot {
  let catalogue = emptyCatalogue()
  const organizations = new Map<string, OrganizationView>()

  function put(
    change: Change,
    into: { catalogue: CatalogueView; organization: OrganizationView | undefined },
  ): void {
    if (isCatalogueChange(change)) {
      for (const op of change.ops) applyToCatalogue(into.catalogue, op)
      into.catalogue.revision = change.revision
    } else if (into.organization) {
      for (const op of change.ops) applyToOrganization(into.organization, op)
      into.organization.revision = change.revision
    }
  }

  function forgetSeats(change: Change): void {
    if (!isCatalogueChange(change)) organizations.get(change.organization)?.seats.clear()
    else for (const organization of organizations.values()) organization.seats.clear()
  }

  return {
    get catalogue() {
      return catalogue
    },
    organization: id => organizations.get(id),
    organizations: () => [...organizations.keys()],
    seat(organization, id) {
      const known = organization.seats.get(id)
      if (known) return known
      const seat = toSeat(catalogue, organization, id)
      if (seat) organization.seats.set(id, seat)
      return seat
    },
    revisionOf: id => (id === CATALOGUE ? catalogue.revision : organizations.get(id)?.revision),
    apply(change) {
      const held = change.organization === CATALOGUE ? catalogue : organizations.get(change.organization)
      if (!held || change.revision <= held.revision) return true
      if (change.revision !== held.revision + 1) return false
      put(change, { catalogue, organization: organizations.get(change.organization) })
      forgetSeats(change)
      return true
    },
    load(change) {
      const fresh = { catalogue: emptyCatalogue(), organization: emptyOrganization() }
      put(change, fresh)
      if (change.organization === CATALOGUE) catalogue = fresh.catalogue
      else organizations.set(change.organization, fresh.organization)
      forgetSeats(change)
    },
    drop: id => void organizations.delete(id),
  }
}

function applyToCatalogue(view: CatalogueView, op: CatalogueOp): void {
  switch (op.fact) {
    case 'server': {
      const held = view.servers.get(op.id)
      if (!op.value) view.servers.delete(op.id)
      else if (held) held.fact = op.value
      else view.servers.set(op.id, { fact: op.value, rules: noRules(), prefixes: [] })
      return
    }
    case 'tool':
      putTool(view, op.id, op.value)
      return
    case 'resource_type':
      set(view.resourceTypes, op.id, op.value)
      return
    case 'permission':
      set(view.permissions, op.id, op.value)
      return
    case 'role':
      set(view.roles, op.id, op.value && roleView(op.value))
      return
    default:
      throw new AppError('internal', `unreachable: ${JSON.stringify(op satisfies never)}`)
  }
}

function putTool(view: CatalogueView, id: string, fact: ToolFact | null): void {
  for (const server of view.servers.values()) {
    if (fact && server.fact.id !== fact.server) continue
    for (const rules of Object.values(server.rules))
      for (const [name, rule] of rules) if (rule.fact.id === id) rules.delete(name)
    if (fact) server.rules[fact.kind].set(fact.name, compileRule(fact))
    server.prefixes = [...server.rules.resource.values()]
      .filter(rule => rule.fact.name.endsWith('*'))
      .sort((a, b) => b.fact.name.length - a.fact.name.length)
  }
}

function noRules(): ServerView['rules'] {
  return { tool: new Map(), resource: new Map(), prompt: new Map(), method: new Map() }
}

const NO_CREDENTIALS: ReadonlyMap<string, CredentialFact> = new Map()

function toSeat(catalogue: CatalogueView, organization: OrganizationView, id: string): Seat | undefined {
  const agent = organization.agents.get(id)
  const principal = agent && organization.principals.get(agent.principal)
  if (!principal) return undefined
  const assignments = (organization.assignmentsOf.get(principal.seq) ?? []).flatMap(fact => {
    const role = catalogue.roles.get(fact.role) ?? organization.roles.get(fact.role)
    return role ? [{ fact, role }] : []
  })
  return {
    agent,
    principal,
    owner: organization.principals.get(agent.owner),
    credentials: organization.credentialsOf.get(id) ?? NO_CREDENTIALS,
    assignments,
  }
}

function applyToOrganization(view: OrganizationView, op: OrganizationOp): void {
  switch (op.fact) {
    case 'organization':
      view.fact = op.value ?? undefined
      return
    case 'principal':
      set(view.principals, op.id, op.value)
      return
    case 'agent':
      set(view.agents, op.id, op.value)
      return
    case 'credential':
      putCredential(view, op.id, op.value)
      return
    case 'role':
      set(view.roles, op.id, op.value && roleView(op.value))
      return
    case 'revoked_token':
      set(view.revokedTokens, op.id, op.value?.expiresAt ?? null)
      return
    case 'assignment':
      putAssignment(view, op.id, op.value)
      return
    default:
      throw new AppError('internal', `unreachable: ${JSON.stringify(op satisfies never)}`)
  }
}

function putCredential(view: OrganizationView, id: string, fact: CredentialFact | null): void {
  view.credentialsOf.get(view.credentials.get(id)?.agent ?? '')?.delete(id)
  set(view.credentials, id, fact)
  if (!fact) return
  const held = view.credentialsOf.get(fact.agent)
  if (held) held.set(id, fact)
  else view.credentialsOf.set(fact.agent, new Map([[id, fact]]))
}

function putAssignment(view: OrganizationView, id: string, fact: AssignmentFact | null): void {
  const old = view.assignments.get(id)
  if (old) {
    const rest = (view.assignmentsOf.get(old.principal) ?? []).filter(assignment => assignment.id !== id)
    if (rest.length > 0) view.assignmentsOf.set(old.principal, rest)
    else view.assignmentsOf.delete(old.principal)
  }
  set(view.assignments, id, fact)
  if (!fact) return
  const list = view.assignmentsOf.get(fact.principal)
  if (list) list.push(fact)
  else view.assignmentsOf.set(fact.principal, [fact])
}

function roleView(fact: RoleFact): RoleView {
  return { fact, permissions: new Set(fact.permissions) }
}

function set<V>(map: Map<string, V>, id: string, value: V | null): void {
  if (value === null) map.delete(id)
  else map.set(id, value)
}

function emptyCatalogue(): CatalogueView {
  return {
    revision: -1,
    servers: new Map(),
    permissions: new Map(),
    resourceTypes: new Map(),
    roles: new Map(),
  }
}

function emptyOrganization(): OrganizationView {
  return {
    revision: -1,
    fact: undefined,
    principals: new Map(),
    agents: new Map(),
    credentials: new Map(),
    credentialsOf: new Map(),
    roles: new Map(),
    assignments: new Map(),
    assignmentsOf: new Map(),
    revokedTokens: new Map(),
    seats: new Map(),
  }
}
