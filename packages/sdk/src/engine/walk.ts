import {
  anyCovers,
  type Carrier,
  forwardId,
  type GrantFact,
  type PrincipalFact,
  type Reason,
} from '../core/index.ts'
import { type Bounds, boundsOn } from './bounds.ts'
import type { ServerView } from './catalogue.ts'
import type { ConditionInput } from './condition.ts'
import { coveredUntil, grantCovers } from './life.ts'
import type { LinkView } from './link.ts'
import { type OrganizationView, personOf, type Seat, seatOf } from './organization.ts'
import type { Action, Caller, DecisionRequest } from './request.ts'
import type { Rule } from './rule.ts'
import type { Snapshot } from './snapshot.ts'
import type { Target } from './target.ts'

/** One step of a chain: an agent that let another act, and the link by which it did. */
export interface Hop {
  readonly link: LinkView | undefined
  /** The agent that delegated. */
  readonly from: Seat | undefined
}

/** Who and what a request concerns, as far as it is known here. */
export interface Parties {
  /** Whether nobody may do anything at all. */
  readonly isFrozen: boolean
  /** Whether the key that signed the caller's token is one of the authority's. */
  readonly isSigned: boolean
  readonly server: ServerView | undefined
  readonly organization: OrganizationView | undefined
  readonly seat: Seat | undefined
  /** By which the agent acts for a person. */
  readonly grant: GrantFact | undefined
  readonly person: PrincipalFact | undefined
  /** What token and grant are limited to beside all that. */
  readonly bounds: Bounds
  /** Whether each server that handed the call on may call the next one. */
  readonly isLetOn: boolean
  /** Whether each of them did so by a key that still counts. */
  readonly isByLiveKeys: boolean
  /** The delegations by which it acts for other agents, from the root on. */
  readonly chain: readonly Hop[]
  readonly standing: Standing
}

/** Why a caller may do nothing at all, or null where it may be heard: the answer from one moment on until another. */
export interface Standing {
  refusal: Refusal | null
  from: number
  until: number
  /** The permission that its token, grant and ceilings were last found to carry, and until when they do. */
  carried: string
  carriedUntil: number
}

/** What the walk has found so far. */
export interface Walk extends Parties {
  readonly request: DecisionRequest
  readonly snapshot: Snapshot
  rule: Rule | undefined
  targets: readonly Target[]
  /** What the arguments name, where there is no such resource. */
  sought: string | null
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
const NO_HOPS: readonly Hop[] = []

/** What was found of a caller, and on what. */
export interface Found {
  readonly parties: Parties
  /** The organization, the catalogue, and the server asked for, as they were. */
  readonly organization: object
  readonly catalogue: object
  readonly server: string
}

/**
 * Who and what a request concerns. A caller that calls again is not looked up again before anything has changed: an
 * enforcement point hands in the same one for the same token.
 */
export function partiesOf(
  snapshot: Snapshot,
  { server, caller }: Pick<DecisionRequest, 'server' | 'caller'>,
): Parties {
  const organization = snapshot.organization(caller.organization)
  const { found } = caller
  if (
    organization &&
    found?.organization === organization.version &&
    found.catalogue === snapshot.catalogue.version &&
    found.server === server
  )
    return found.parties
  const parties = findParties(snapshot, organization, server, caller)
  if (organization)
    caller.found = {
      parties,
      organization: organization.version,
      catalogue: snapshot.catalogue.version,
      server,
    }
  return parties
}

function findParties(
  snapshot: Snapshot,
  organization: OrganizationView | undefined,
  server: string,
  caller: Caller,
): Parties {
  const grant = caller.grant === null ? undefined : organization?.grants.get(caller.grant)
  return {
    isFrozen: snapshot.catalogue.isFrozen,
    isSigned: caller.key === undefined || snapshot.catalogue.signingKeys.has(caller.key),
    server: snapshot.catalogue.servers.get(server),
    organization,
    seat: organization && seatOf(organization, caller.agent),
    grant: grant?.fact,
    person: grant && organization && personOf(organization, grant),
    bounds: boundsOn(organization, grant?.fact, caller),
    isLetOn: isLetOn(snapshot, server, caller),
    isByLiveKeys: isByLiveKeys(snapshot, caller),
    chain: chainOf(organization, caller),
    // Not known for any moment yet.
    standing: { refusal: null, from: 0, until: 0, carried: '', carriedUntil: 0 },
  }
}

/** Whether a call may have come the way that it names: from server to server, each by a rule of its own. */
function isLetOn({ catalogue }: Snapshot, server: string, { forwarded = [] }: Caller): boolean {
  return forwarded.every(({ server: from }, n) =>
    catalogue.forwards.has(forwardId({ from, to: forwarded[n + 1]?.server ?? server })),
  )
}

/** Whether every server that handed the call on did so by a key of its own that counts. */
function isByLiveKeys({ catalogue }: Snapshot, { forwarded = [] }: Caller): boolean {
  return forwarded.every(({ server, key }) => catalogue.serverKeys.get(key)?.server === server)
}

/** What is known of the delegations that a caller names. */
function chainOf(view: OrganizationView | undefined, { chain }: Pick<Caller, 'chain'>): readonly Hop[] {
  if (chain.length === 0) return NO_HOPS
  return chain.map(id => {
    const link = view?.links.get(id)
    return { link, from: view && link && seatOf(view, link.fact.from) }
  })
}

/** A walk at its beginning. */
export function begin(request: DecisionRequest, snapshot: Snapshot): Walk {
  return {
    ...partiesOf(snapshot, request),
    request,
    snapshot,
    rule: undefined,
    targets: NOTHING,
    sought: null,
    assignments: NOBODY,
  }
}

/** Whether token, grant and ceilings carry a permission at this moment. */
export function carries(parties: Parties, caller: Caller, permission: string, now: number): boolean {
  const { standing, grant } = parties
  // Nothing has changed since, and what the grant holds for a while only has not ended.
  if (standing.carried === permission && now < standing.carriedUntil) return true
  if (!carriesScope(parties, caller, permission, now) || !reachesCeiling(parties, permission)) return false
  standing.carried = permission
  standing.carriedUntil = grant ? coveredUntil(grant, permission) : Number.POSITIVE_INFINITY
  return true
}

/** Whether the token carries a permission, and the grant behind it too, at this moment. */
export function carriesScope(
  { grant }: Parties,
  { scopes }: Caller,
  permission: string,
  now: number,
): boolean {
  return anyCovers(scopes, permission) && (!grant || grantCovers(grant, permission, now))
}

/** Whether the ceiling of the agent, and of each that delegated, holds a permission today, whatever its token says. */
export function reachesCeiling({ seat, chain }: Parties, permission: string): boolean {
  if (!seat || !anyCovers(seat.agent.ceiling, permission)) return false
  for (const { from } of chain) if (!from || !anyCovers(from.agent.ceiling, permission)) return false
  return true
}

/** What conditions look at. */
export function conditionInput({ request, server }: Walk): ConditionInput {
  const { action, caller, now } = request
  return {
    args: action.arguments,
    agent: caller.agent,
    person: caller.person ?? '',
    organization: caller.organization,
    server: server?.fact.name ?? '',
    tool: action.name,
    now: new Date(now),
  }
}

/** Canonical spelling leaves them where a URI is no path: behind its `?` and `#`, between `\`, and in a scheme without `/`. */
const DOT_SEGMENT = /[:/\\?#]\.\.?(?:[/\\?#]|$)/

/** The rule that an action falls under. */
export function findRule(server: ServerView, action: Pick<Action, 'kind' | 'name'>): Rule | undefined {
  const exact = server.rules[action.kind].get(action.name)
  if (exact || action.kind !== 'resource') return exact
  // A prefix is trusted only for a URI in its one canonical spelling: `..` or `%2e` must not climb out of it.
  if (
    !URL.canParse(action.name) ||
    new URL(action.name).href !== action.name ||
    /%2e|%2f|%5c/i.test(action.name) ||
    DOT_SEGMENT.test(action.name)
  )
    return undefined
  return server.prefixes.find(rule => action.name.startsWith(rule.fact.name.slice(0, -1)))
}

/** Whether a tool is the one that was approved; where nobody has approved one, none is. Nothing else is compared. */
export function isApproved(
  { fact }: Rule,
  { kind, definition }: Pick<Action, 'kind' | 'definition'>,
): boolean {
  return kind !== 'tool' || (fact.definition !== null && fact.definition === definition)
}

/** Whether the permission that a rule needs is known: without it, its condition would be passed over. */
export function isKnown({ permission }: Rule, { catalogue }: Snapshot): boolean {
  return catalogue.permissionAt[permission] !== undefined
}
