import { type AssignmentFact, anyCovers, type Carrier, type GrantFact, type Reason } from '../core/index.ts'
import { isHeld, onTheWayUp, rootsOf } from './access.ts'
import { leavesResource, leavesTool } from './bounds.ts'
import type { RoleView } from './catalogue.ts'
import { holds } from './judge.ts'
import { isGranted } from './life.ts'
import type { OrganizationView, Seat } from './organization.ts'
import { reachOf } from './reach.ts'
import type { Rule } from './rule.ts'
import { meet, resolveAddress, type Target, wholeOf } from './target.ts'
import { type Address, escapeSegment } from './template.ts'
import {
  carries,
  carriesScope,
  conditionInput,
  findRule,
  isApproved,
  isKnown,
  type Refusal,
  type Walk,
} from './walk.ts'

/** Of a resource that there is none of, no more is said than fits into a record. */
const MOST_SOUGHT = 1_024

/** The tool is mapped to a permission that is known here, and is the one that was approved. */
export function checkTool(walk: Walk): Refusal | null {
  const { action } = walk.request
  const rule = walk.server && findRule(walk.server, action)
  if (!rule || !isKnown(rule, walk.snapshot)) return { reason: 'tool_unmapped', detail: action.name }
  walk.rule = rule
  if (rule.fact.frozen) return { reason: 'frozen', detail: `${action.kind} ${action.name}` }
  if (!isApproved(rule, action)) return { reason: 'tool_changed', detail: action.name }
  return null
}

export function checkArguments(walk: Walk): Refusal | null {
  const fault = walk.rule?.checkArguments(walk.request.action.arguments) ?? null
  return fault === null ? null : { reason: 'arguments_invalid', detail: fault }
}

/** Token, grant and the ceiling of today carry the permission. */
export function checkScope(walk: Walk): Refusal | null {
  const permission = walk.rule?.fact.permission
  const { caller, now } = walk.request
  if (permission === undefined) return { reason: 'scope_missing', detail: null }
  if (carries(walk, caller, permission, now)) return null
  if (!carriesScope(walk, caller, permission, now)) return { reason: 'scope_missing', detail: permission }
  const { seat, chain } = walk
  const short = [seat, ...chain.map(({ from }) => from)].find(
    one => !anyCovers(one?.agent.ceiling ?? [], permission),
  )
  const detail = !short || short === seat ? permission : `agent ${short.principal.name}: ${permission}`
  return { reason: 'agent_ceiling', detail }
}

/** The arguments name live resources of this organization. */
export function checkResource(walk: Walk): Refusal | null {
  const { rule, organization } = walk
  if (!rule || !organization) return { reason: 'resource_unknown', detail: null }
  const { template, types } = rule
  if (!template) {
    walk.targets = [wholeOf(organization)]
    return null
  }
  const addresses = template.bind(walk.request.action.arguments)
  if (!addresses)
    return { reason: 'resource_unknown', detail: `the arguments do not name ${rule.fact.resource}` }
  const targets: Target[] = []
  for (const address of addresses) {
    const target = resolveAddress(organization, types, address)
    if (!target) {
      walk.sought = nameOf(address, template.types)
      return { reason: 'resource_unknown', detail: `there is no ${walk.sought} here` }
    }
    targets.push(target)
  }
  walk.targets = targets
  return null
}

/** An address as the path that it would have. */
function nameOf(address: Address, types: readonly string[]): string {
  const path = address.map((id, at) => `${types[at]}/${id === null ? '*' : escapeSegment(id)}`).join('/')
  return path.length > MOST_SOUGHT ? `${path.slice(0, MOST_SOUGHT)}…` : path
}

/** The agent, and every agent of the chain that lets it act, holds the permission on every one of them. */
export function checkAgent(walk: Walk): Refusal | null {
  const { seat, chain, organization, rule, targets, request } = walk
  const permission = rule?.fact.permission ?? ''
  if (!seat || !organization) return { reason: 'agent_lacks_permission', detail: permission }
  const found: Carrier[] = []
  const refusal = checkHolder(walk, seat, found)
  if (refusal) return refusal
  for (const { from } of chain) {
    const lacking = from
      ? checkHolder(walk, from, found)
      : { reason: 'revoked' as const, detail: 'the delegation' }
    if (lacking) return { ...lacking, detail: `agent ${from?.principal.name}: ${lacking.detail}` }
  }
  // Of "some" resource, each may have held it on another.
  for (const target of chain.length === 0 ? [] : targets)
    if (
      target.some !== null &&
      meet(organization, target, reachOf(walk, permission, request.now)).length === 0
    )
      return lacks('agent_lacks_permission', permission, target, seat.principal.seq)
  walk.assignments = found
  return null
}

/** One agent holds the permission on every target; by which assignments is added to what was found. */
function checkHolder(walk: Walk, { principal: { seq: principal } }: Seat, found: Carrier[]): Refusal | null {
  const { organization, rule, targets, request } = walk
  const permission = rule?.fact.permission ?? ''
  if (!organization || !rule) return { reason: 'agent_lacks_permission', detail: permission }
  for (const target of targets) {
    const held = carryingOn(organization, rule, { principal, target, now: request.now })
    if (held.length === 0) return lacks('agent_lacks_permission', permission, target, principal)
    for (const { fact, role } of held)
      if (found.length === 0 || !found.some(({ id }) => id === fact.id))
        found.push({ id: fact.id, role: role.fact?.slug ?? '', createdBy: fact.createdBy })
  }
  return null
}

/** By which assignments a principal holds what a rule needs on a target. */
function carryingOn(
  organization: OrganizationView,
  rule: Rule,
  { principal, target, now }: { principal: number; target: Target; now: number },
): readonly { fact: AssignmentFact; role: RoleView }[] {
  const { resource } = target
  if (target.some === null) return onTheWayUp(organization, { principal, resource, now }, rule.permission)
  return rootsOf(organization, { principal, permission: rule.fact.permission, now })
    .filter(({ resource: root }) => meet(organization, target, [root]).length > 0)
    .map(({ held }) => ({ fact: held.assignment, role: held.role }))
}

function lacks(reason: Reason, permission: string, target: Target, principal: number): Refusal {
  const detail = target.path === null ? permission : `${permission} on ${target.path}`
  return { reason, detail, missing: { principal, resource: target.resource } }
}

/** The person behind the grant holds it too, today, and the grant's own resources hold the target. */
export function checkPerson(walk: Walk): Refusal | null {
  const { organization, grant, person, rule, targets, request } = walk
  if (!grant || !organization) return null
  if (!leavesTool(walk.bounds, request.action)) return { reason: 'grant_tool', detail: request.action.name }
  const permission = rule?.fact.permission ?? ''
  const principal = person?.seq ?? 0
  for (const target of targets) {
    if (!rule || !mayPerson(organization, rule, { principal, target, now: request.now }))
      return lacks('user_lacks_permission', permission, target, principal)
    if (!isLetTouch(walk, grant, target))
      return { reason: 'grant_resource', detail: target.path ?? 'the whole organization' }
  }
  return null
}

/** Whether a principal holds what a rule needs on a target. */
export function mayPerson(
  organization: OrganizationView,
  rule: Rule,
  { principal, target, now }: { principal: number; target: Target; now: number },
): boolean {
  const { resource } = target
  if (target.some === null) return isHeld(organization, rule.permission, { principal, resource, now })
  const roots = rootsOf(organization, { principal, permission: rule.fact.permission, now })
  const numbers = roots.map(root => root.resource)
  return meet(organization, target, numbers).length > 0
}

function isLetTouch(walk: Walk, grant: GrantFact, target: Target): boolean {
  const { organization, rule, request } = walk
  if (!organization) return false
  if (target.some === null)
    return (
      isGranted(organization, grant, target.resource) &&
      leavesResource(organization, walk.bounds, target.resource)
    )
  const roots = reachOf(walk, rule?.fact.permission ?? '', request.now)
  return meet(organization, target, roots).length > 0
}

/** The conditions of the rule and of the permission hold. */
export function checkCondition(walk: Walk): Refusal | null {
  const { rule, request } = walk
  if (!rule) return { reason: 'condition_failed', detail: null }
  const { condition, permission } = rule.fact
  const { action, caller } = request
  if (condition !== null && !rule.holds(conditionInput(walk)))
    return { reason: 'condition_failed', detail: condition }
  const held = walk.snapshot.catalogue.permissionAt[rule.permission]
  if (!held || held.fact.condition === null) return null
  const subject =
    caller.person === null
      ? ({ kind: 'agent', id: caller.agent } as const)
      : ({ kind: 'user', id: caller.person } as const)
  const known = { action: { name: permission, properties: action.arguments } }
  for (const target of walk.targets)
    if (!holds({ permission: held, target, known }, subject))
      return { reason: 'condition_failed', detail: held.fact.condition }
  return null
}
