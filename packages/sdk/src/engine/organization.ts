import {
  type AgentFact,
  AppError,
  type AssignmentFact,
  type CredentialFact,
  type GrantFact,
  type OrganizationFact,
  type OrganizationOp,
  type PrincipalFact,
  type ResourceFact,
} from '../core/index.ts'
import { type CatalogueView, putRole, type RoleView, roleIn } from './catalogue.ts'
import { Groups } from './groups.ts'
import { Holdings } from './holdings.ts'
import { type LinkView, viewLink } from './link.ts'
import { ResourceTree } from './tree.ts'

/** An agent with all that is looked at whenever it calls, in one place. */
export interface Seat {
  agent: AgentFact
  principal: PrincipalFact
  owner: PrincipalFact | undefined
  credentials: ReadonlyMap<string, CredentialFact>
}

/** What a person lets an agent do, with that person as it was when it was last looked up. */
export interface GrantView {
  readonly fact: GrantFact
  person: PrincipalFact | undefined
}

/** What is known of one organization at one revision. */
export interface OrganizationView {
  readonly id: string
  readonly catalogue: CatalogueView
  revision: number
  /** Another object after every change, as the catalogue's. */
  version: object
  fact: OrganizationFact | undefined
  principals: Map<string, PrincipalFact>
  /** By number. */
  principalAt: (PrincipalFact | undefined)[]
  agents: Map<string, AgentFact>
  credentials: Map<string, CredentialFact>
  /** By the agent's id. */
  credentialsOf: Map<string, Map<string, CredentialFact>>
  /** The organization's own. */
  roles: Map<string, RoleView>
  grants: Map<string, GrantView>
  links: Map<string, LinkView>
  revokedTokens: Map<string, number>
  /** Those among them that can be thawed. */
  frozenTokens: Set<string>
  tree: ResourceTree
  groups: Groups
  holdings: Holdings
  /** By agent; made where they are needed, and forgotten with any change of what they hold. */
  seats: Map<string, Seat>
}

export function emptyOrganization(id: string, catalogue: CatalogueView): OrganizationView {
  const tree = new ResourceTree()
  const principalAt: OrganizationView['principalAt'] = []
  return {
    id,
    catalogue,
    revision: -1,
    version: {},
    fact: undefined,
    principals: new Map(),
    principalAt,
    agents: new Map(),
    credentials: new Map(),
    credentialsOf: new Map(),
    roles: new Map(),
    grants: new Map(),
    links: new Map(),
    revokedTokens: new Map(),
    frozenTokens: new Set(),
    tree,
    groups: new Groups(seq => principalAt[seq]?.status === 'active'),
    holdings: new Holdings(tree),
    seats: new Map(),
  }
}

/** What is known of an agent; undefined where nothing is. */
export function seatOf(view: OrganizationView, id: string): Seat | undefined {
  const known = view.seats.get(id)
  if (known) return known
  const agent = view.agents.get(id)
  const principal = agent && view.principals.get(agent.principal)
  if (!principal) return undefined
  const seat = {
    agent,
    principal,
    owner: view.principals.get(agent.owner),
    credentials: view.credentialsOf.get(id) ?? NO_CREDENTIALS,
  }
  view.seats.set(id, seat)
  return seat
}

/** The person behind a grant, as it is now. */
export function personOf(view: OrganizationView, grant: GrantView): PrincipalFact | undefined {
  const { person } = grant
  if (person && view.principalAt[person.seq] === person) return person
  grant.person = view.principals.get(grant.fact.person)
  return grant.person
}

const NO_CREDENTIALS: ReadonlyMap<string, CredentialFact> = new Map()

export function isActivePrincipal(view: OrganizationView, seq: number): boolean {
  return view.principalAt[seq]?.status === 'active'
}

export function applyToOrganization(view: OrganizationView, op: OrganizationOp): void {
  switch (op.fact) {
    case 'organization':
      view.fact = op.value ?? undefined
      return
    case 'principal':
      putPrincipal(view, op.id, op.value)
      return
    case 'agent':
      set(view.agents, op.id, op.value)
      view.seats.delete(op.id)
      return
    case 'credential':
      putCredential(view, op.id, op.value)
      return
    case 'role':
      putOwnRole(view, op)
      return
    case 'revoked_token':
      set(view.revokedTokens, op.id, op.value?.expiresAt ?? null)
      if (op.value?.frozen) view.frozenTokens.add(op.id)
      else view.frozenTokens.delete(op.id)
      return
    case 'assignment':
      putAssignment(view, op.id, op.value)
      return
    case 'resource':
      putResources(view, op.id, op.value)
      return
    case 'member':
      view.groups.put(op.id, op.value)
      return
    case 'grant':
      set(view.grants, op.id, op.value && { fact: op.value, person: view.principals.get(op.value.person) })
      return
    case 'link':
      set(view.links, op.id, op.value && viewLink(op.value))
      return
    default:
      throw new AppError('internal', `unreachable: ${JSON.stringify(op satisfies never)}`)
  }
}

/** All facts of an organization, as the change from nothing. */
export function organizationOps(view: OrganizationView): OrganizationOp[] {
  const ops: OrganizationOp[] = []
  if (view.fact) ops.push({ fact: 'organization', id: view.fact.id, value: view.fact })
  for (const [id, value] of view.principals) ops.push({ fact: 'principal', id, value })
  for (const [id, value] of view.agents) ops.push({ fact: 'agent', id, value })
  for (const [id, value] of view.credentials) ops.push({ fact: 'credential', id, value })
  for (const { id, fact } of view.roles.values()) if (fact) ops.push({ fact: 'role', id, value: fact })
  for (const [type, rows] of view.tree.rows()) {
    const value = { type: view.catalogue.typeNumbers.nameOf(type), rows }
    ops.push({ fact: 'resource', id: String(rows[0]?.[0]), value })
  }
  for (const [id, value] of view.groups.facts()) ops.push({ fact: 'member', id, value })
  for (const { fact } of view.holdings.all()) ops.push({ fact: 'assignment', id: fact.id, value: fact })
  for (const [id, { fact }] of view.grants) ops.push({ fact: 'grant', id, value: fact })
  for (const [id, { fact }] of view.links) ops.push({ fact: 'link', id, value: fact })
  for (const [id, expiresAt] of view.revokedTokens) {
    const frozen = view.frozenTokens.has(id) ? { frozen: true as const } : {}
    ops.push({ fact: 'revoked_token', id, value: { id, expiresAt, ...frozen } })
  }
  return ops
}

function putPrincipal(view: OrganizationView, id: string, fact: PrincipalFact | null): void {
  const old = view.principals.get(id)
  if (old) view.principalAt[old.seq] = undefined
  // It may be the owner of any agent.
  if (view.seats.size > 0) view.seats.clear()
  view.groups.forget(old?.seq ?? 0)
  set(view.principals, id, fact)
  if (!fact) return
  while (view.principalAt.length <= fact.seq) view.principalAt.push(undefined)
  view.principalAt[fact.seq] = fact
  view.groups.forget(fact.seq)
}

function putCredential(view: OrganizationView, id: string, fact: CredentialFact | null): void {
  const before = view.credentials.get(id)?.agent ?? ''
  view.credentialsOf.get(before)?.delete(id)
  view.seats.delete(before)
  set(view.credentials, id, fact)
  if (!fact) return
  view.seats.delete(fact.agent)
  const held = view.credentialsOf.get(fact.agent)
  if (held) held.set(id, fact)
  else view.credentialsOf.set(fact.agent, new Map([[id, fact]]))
}

function putOwnRole(view: OrganizationView, { id, value }: OrganizationOp & { fact: 'role' }): void {
  const isNew = !view.roles.has(id)
  putRole(view.catalogue, view.roles, { id, value })
  const role = roleIn(view.roles, id)
  // Assignments that came before their role were taken for such of a role of the catalogue.
  if (isNew) for (const holding of view.holdings.all()) if (holding.fact.role === id) holding.role = role
}

function putAssignment(view: OrganizationView, id: string, fact: AssignmentFact | null): void {
  if (!fact) view.holdings.remove(id)
  else view.holdings.put(fact, view.roles.get(fact.role) ?? roleIn(view.catalogue.roles, fact.role))
}

function putResources(view: OrganizationView, id: string, fact: ResourceFact | null): void {
  if (!fact) {
    view.tree.remove(Number(id), seq => view.holdings.removeAt(seq))
    return
  }
  const last = fact.rows.at(-1)
  if (last) view.tree.reserve(last[0])
  const type = view.catalogue.typeNumbers.of(fact.type)
  for (const row of fact.rows) view.tree.put(type, row)
}

function set<V>(map: Map<string, V>, id: string, value: V | null): void {
  if (value === null) map.delete(id)
  else map.set(id, value)
}
