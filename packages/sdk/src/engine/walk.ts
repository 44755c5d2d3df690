import { anyCovers, type Carrier, type GrantFact, type Reason } from '../core/index.ts'
import type { ServerView } from './catalogue.ts'
import { type OrganizationView, type Seat, seatOf } from './organization.ts'
import type { Action, Caller, DecisionRequest } from './request.ts'
import type { Rule } from './rule.ts'
import type { Snapshot } from './snapshot.ts'
import type { Target } from './target.ts'

/** What the walk has found so far. */
export interface Walk {
  readonly request: DecisionRequest
  readonly snapshot: Snapshot
  readonly server: ServerView | undefined
  readonly organization: OrganizationView | undefined
  readonly seat: Seat | undefined
  rule: Rule | undefined
  targets: readonly Target[]
  assignments: readonly Carrier[]
}

export interface Refusal {
  reason: Reason
  detail: string | null
  /** What was asked for and not held, where that is what is missing. */
  missing?: { principal: number; resource: number }
}

const NOBODY: readonly Carrier[] = []
const NOTHING: readonly Target[] = []

/** A walk at its beginning. */
export function begin(request: DecisionRequest, snapshot: Snapshot): Walk {
  const organization = snapshot.organization(request.caller.organization)
  return {
    request,
    snapshot,
    server: snapshot.catalogue.servers.get(request.server),
    organization,
    seat: organization && seatOf(organization, request.caller.agent),
    rule: undefined,
    targets: NOTHING,
    assignments: NOBODY,
  }
}

/** The grant by which the caller acts for a person, if it names a live one. */
export function grantOf(organization: OrganizationView, caller: Caller): GrantFact | undefined {
  return caller.grant === null ? undefined : organization.grants.get(caller.grant)
}

/** Whether the token carries a permission, and the grant behind it too. */
export function carriesScope(
  organization: OrganizationView | undefined,
  caller: Caller,
  permission: string,
): boolean {
  if (!anyCovers(caller.scopes, permission)) return false
  const grant = organization && grantOf(organization, caller)
  return !grant || anyCovers(grant.scopes, permission)
}

/** The rule that an action falls under. */
export function findRule(server: ServerView, action: Pick<Action, 'kind' | 'name'>): Rule | undefined {
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
