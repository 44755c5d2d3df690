import { anyCovers, type Carrier, type Reason } from '../core/index.ts'
import type { Action, Decision, DecisionRequest, Leg, LegName } from './request.ts'
import type { Rule } from './rule.ts'
import type { OrganizationView, Seat, ServerView, Snapshot } from './snapshot.ts'

/** What the walk has found so far. */
interface Walk {
  readonly request: DecisionRequest
  readonly snapshot: Snapshot
  readonly server: ServerView | undefined
  readonly organization: OrganizationView | undefined
  readonly seat: Seat | undefined
  rule: Rule | undefined
  resource: string | null
  assignments: readonly Carrier[]
}

export interface Refusal {
  reason: Reason
  detail: string | null
}

const NOBODY: readonly Carrier[] = []
const UNRECORDED: readonly Leg[] = []

/** The legs in the order in which they are walked, cheapest first. The first that fails decides. */
const WALK: readonly { leg: LegName; check: (walk: Walk) => Refusal | null }[] = [
  { leg: 'state', check: checkState },
  { leg: 'tool', check: checkTool },
  { leg: 'arguments', check: checkArguments },
  { leg: 'scope', check: checkScope },
  { leg: 'resource', check: checkResource },
  { leg: 'agent', check: checkAgent },
  { leg: 'condition', check: checkCondition },
]

/**
 * Decides one request on one snapshot: default deny, no I/O, no clock of its own. `explain` records every leg of the
 * same walk.
 */
export function decide(request: DecisionRequest, snapshot: Snapshot, explain = false): Decision {
  const organization = snapshot.organization(request.caller.organization)
  const walk: Walk = {
    request,
    snapshot,
    server: snapshot.catalogue.servers.get(request.server),
    organization,
    seat: organization && snapshot.seat(organization, request.caller.agent),
    rule: undefined,
    resource: null,
    assignments: NOBODY,
  }
  const legs: Leg[] | undefined = explain ? [] : undefined
  let refusal: Refusal | null = null
  for (const { leg, check } of WALK) {
    if (refusal) {
      legs?.push({ leg, result: 'not_reached', detail: null })
      continue
    }
    refusal = check(walk)
    legs?.push({ leg, result: refusal ? 'failed' : 'passed', detail: refusal?.detail ?? null })
    if (refusal && !legs) break
  }
  return toDecision(walk, refusal, legs ?? UNRECORDED)
}

function toDecision(walk: Walk, refusal: Refusal | null, legs: readonly Leg[]): Decision {
  const fact = walk.rule?.fact
  return {
    id: walk.request.id,
    decision: refusal ? 'deny' : 'permit',
    reason: refusal ? refusal.reason : 'permitted',
    detail: refusal ? refusal.detail : null,
    mode: fact?.mode ?? walk.server?.fact.mode ?? 'enforce',
    risk: fact?.risk ?? 'dangerous',
    permission: fact?.permission ?? null,
    definition: fact?.definition ?? null,
    resource: walk.resource,
    assignments: walk.assignments,
    revision: {
      catalogue: walk.snapshot.catalogue.revision,
      organization: walk.organization?.revision ?? -1,
    },
    legs,
  }
}

function checkState(walk: Walk): Refusal | null {
  return refuse(walk.server, walk.organization, walk.seat, walk.request)
}

/** Why a caller may do nothing at all on a server now, whatever it asks for; null where it may be heard. */
export function refuseCaller(
  snapshot: Snapshot,
  request: Pick<DecisionRequest, 'server' | 'caller' | 'now'>,
): Refusal | null {
  const organization = snapshot.organization(request.caller.organization)
  const seat = organization && snapshot.seat(organization, request.caller.agent)
  return refuse(snapshot.catalogue.servers.get(request.server), organization, seat, request)
}

/** Whether all are alive: the server, the organization, the agent, its owner, its credential, this very token. */
function refuse(
  server: ServerView | undefined,
  organization: OrganizationView | undefined,
  seat: Seat | undefined,
  { caller, now }: Pick<DecisionRequest, 'caller' | 'now'>,
): Refusal | null {
  if (!server) return { reason: 'stale', detail: 'this MCP server is not known here' }
  if (server.fact.status === 'frozen') return { reason: 'frozen', detail: `server ${server.fact.name}` }
  if (!organization) return { reason: 'stale', detail: 'the organization is not loaded' }
  if (organization.fact?.status !== 'active') return { reason: 'frozen', detail: 'the organization' }
  if (!seat || seat.principal.status === 'retired') return { reason: 'revoked', detail: 'the agent' }
  const { principal, owner, credentials } = seat
  const credential = credentials.get(caller.credential)
  if (!credential) return { reason: 'revoked', detail: 'the credential' }
  if (credential.expiresAt !== null && credential.expiresAt <= now)
    return { reason: 'revoked', detail: 'the credential has expired' }
  if (organization.revokedTokens.has(caller.token)) return { reason: 'revoked', detail: 'the token' }
  if (caller.expiresAt <= now) return { reason: 'revoked', detail: 'the token has expired' }
  if (principal.status !== 'active') return { reason: 'suspended', detail: `agent ${principal.name}` }
  if (owner?.status !== 'active')
    return { reason: 'suspended', detail: `the owner of agent ${principal.name} is gone` }
  return null
}

function checkTool(walk: Walk): Refusal | null {
  const { action } = walk.request
  const rule = walk.server && findRule(walk.server, action)
  if (!rule) return { reason: 'tool_unmapped', detail: action.name }
  walk.rule = rule
  if (action.kind === 'tool' && (rule.fact.definition === null || rule.fact.definition !== action.definition))
    return { reason: 'tool_changed', detail: action.name }
  return null
}

function findRule(server: ServerView, action: Pick<Action, 'kind' | 'name'>): Rule | undefined {
  const exact = server.rules[action.kind].get(action.name)
  if (exact || action.kind !== 'resource') return exact
  // A prefix is trusted only for a URI in its one canonical spelling: `..` or `%2e` must not climb out of it.
  if (
    !URL.canParse(action.name) ||
    new URL(action.name).href !== action.name ||
    /%2e|%2f|%5c/i.test(action.name)
  )
    return undefined
  return server.prefixes.find(rule => action.name.startsWith(rule.fact.name.slice(0, -1)))
}

function checkArguments(walk: Walk): Refusal | null {
  const fault = walk.rule?.checkArguments(walk.request.action.arguments) ?? null
  return fault === null ? null : { reason: 'arguments_invalid', detail: fault }
}

function checkScope(walk: Walk): Refusal | null {
  const permission = walk.rule?.fact.permission
  if (permission !== undefined && anyCovers(walk.request.caller.scopes, permission)) return null
  return { reason: 'scope_missing', detail: permission ?? null }
}

function checkResource(walk: Walk): Refusal | null {
  const resource = walk.rule?.resource(walk.request.action.arguments)
  if (resource === undefined)
    return { reason: 'resource_unknown', detail: `the arguments do not name ${walk.rule?.fact.resource}` }
  walk.resource = resource
  return null
}

function checkAgent(walk: Walk): Refusal | null {
  const permission = walk.rule?.fact.permission ?? ''
  if (walk.seat) walk.assignments = carriers(walk.seat, permission, walk.request.now)
  return walk.assignments.length > 0 ? null : { reason: 'agent_lacks_permission', detail: permission }
}

/** The live assignments by which an agent holds a permission. */
function carriers(seat: Seat, permission: string, now: number): readonly Carrier[] {
  let found: Carrier[] | undefined
  for (const { fact, role } of seat.assignments) {
    if (!role.permissions.has(permission) || (fact.expiresAt !== null && fact.expiresAt <= now)) continue
    found ??= []
    found.push({ id: fact.id, role: role.fact.slug, createdBy: fact.createdBy })
  }
  return found ?? NOBODY
}

function checkCondition(walk: Walk): Refusal | null {
  const { rule, request, server } = walk
  if (!rule) return { reason: 'condition_failed', detail: null }
  if (rule.fact.condition === null) return null
  const holds = rule.holds({
    args: request.action.arguments,
    agent: request.caller.agent,
    person: request.caller.person ?? '',
    organization: request.caller.organization,
    server: server?.fact.name ?? '',
    tool: request.action.name,
    now: new Date(request.now),
  })
  return holds ? null : { reason: 'condition_failed', detail: rule.fact.condition }
}

/**
 * Whether a caller could use something at all, with some arguments, perhaps after asking for one more scope: what a
 * list shows. Nothing is hidden on a server that only audits.
 */
export function mayUse(
  snapshot: Snapshot,
  request: Omit<DecisionRequest, 'id' | 'action'>,
  action: Omit<Action, 'arguments'>,
): boolean {
  const server = snapshot.catalogue.servers.get(request.server)
  const organization = snapshot.organization(request.caller.organization)
  const seat = organization && snapshot.seat(organization, request.caller.agent)
  if (!server || !seat || refuse(server, organization, seat, request)) return false
  const rule = findRule(server, action)
  if ((rule?.fact.mode ?? server.fact.mode) === 'audit') return true
  if (!rule || (action.kind === 'tool' && rule.fact.definition !== action.definition)) return false
  const { permission } = rule.fact
  if (!anyCovers(request.caller.scopes, permission) && !anyCovers(seat.agent.ceiling, permission))
    return false
  return carriers(seat, permission, request.now).length > 0
}

/** Whether a caller that lacks only the scope could be given it: then, and only then, a challenge for it helps. */
export function mayObtain(snapshot: Snapshot, request: DecisionRequest): boolean {
  const organization = snapshot.organization(request.caller.organization)
  const seat = organization && snapshot.seat(organization, request.caller.agent)
  const permission = ruleFor(snapshot, request.server, request.action)?.fact.permission
  if (!seat || permission === undefined || !anyCovers(seat.agent.ceiling, permission)) return false
  return carriers(seat, permission, request.now).length > 0
}

/** The rule that an action falls under on a server, if there is one. */
export function ruleFor(
  snapshot: Snapshot,
  server: string,
  action: Pick<Action, 'kind' | 'name'>,
): Rule | undefined {
  const view = snapshot.catalogue.servers.get(server)
  return view && findRule(view, action)
}
