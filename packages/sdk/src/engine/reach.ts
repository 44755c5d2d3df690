import { modeAt, type PrincipalFact, ROOT_RESOURCE } from '../core/index.ts'
import { intersectRoots, rootsOf } from './access.ts'
import { leavesTool } from './bounds.ts'
import { chainCarries, refuseEnded } from './chain.ts'
import type { OrganizationView } from './organization.ts'
import type { Action, DecisionRequest } from './request.ts'
import type { Rule } from './rule.ts'
import type { Snapshot } from './snapshot.ts'
import { refuse } from './state.ts'
import { hasSome } from './target.ts'
import {
  carriesScope,
  findRule,
  isApproved,
  isKnown,
  type Parties,
  partiesOf,
  reachesCeiling,
} from './walk.ts'

/** The fewest resources under which all of chain, agent, person and grant hold a permission. */
export function reachOf(parties: Parties, permission: string, now: number): number[] {
  const { organization, seat, chain, grant } = parties
  if (!organization || !seat) return []
  const rootsFor = ({ seq: principal }: PrincipalFact) =>
    rootsOf(organization, { principal, permission, now }).map(({ resource }) => resource)
  let roots = rootsFor(seat.principal)
  for (const { link, from } of chain) {
    if (!link || !from) return []
    roots = intersectRoots(organization, roots, rootsFor(from.principal))
    roots = intersectRoots(organization, roots, link.fact.resources)
  }
  return grant ? intersectRoots(organization, roots, givenOf(parties, permission, now)) : roots
}

/** The fewest resources under which person and grant hold a permission. */
function givenOf(
  { organization, grant, person, bounds }: Parties,
  permission: string,
  now: number,
): number[] {
  if (!organization || !grant || !person) return []
  const held = rootsOf(organization, { principal: person.seq, permission, now })
  const own = held.map(({ resource }) => resource)
  const given = intersectRoots(organization, own, grant.resources)
  return bounds.within ? intersectRoots(organization, given, bounds.within) : given
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
  const { now } = request
  const parties = partiesOf(snapshot, request)
  const { server, organization, seat } = parties
  if (!server || !organization || !seat) return false
  if (refuse(parties, request) || refuseEnded(parties, now)) return false
  const rule = findRule(server, action)
  if (rule?.fact.frozen) return false
  if ((rule?.fact.mode ?? modeAt(server.fact, now)) !== 'enforce') return true
  if (!rule || !isKnown(rule, snapshot) || !isApproved(rule, action)) return false
  const { permission } = rule.fact
  if (!leavesTool(parties.bounds, action)) return false
  if (isLent(parties)) return reachesSome(organization, rule, givenOf(parties, permission, now))
  if (!reachesCeiling(parties, permission) || !chainCarries(parties, permission)) return false
  return reachesSome(organization, rule, reachOf(parties, permission, now))
}

/** Whether the agent has all from the person whom it acts for, who lends it more when it asks for more. */
export function isLent({ grant, chain }: Parties): boolean {
  return grant?.lends === true && chain.length === 0
}

/** Whether a rule could name something under these roots. */
function reachesSome(organization: OrganizationView, rule: Rule, roots: readonly number[]): boolean {
  if (roots.length === 0) return false
  if (!rule.template) return roots.includes(ROOT_RESOURCE)
  const { types } = rule
  const last = types.at(-1)
  const isOpen = last?.fact.instances === 'open'
  const named = isOpen ? types.at(-2) : last
  // An open type that stands alone lies below the organization itself.
  if (types.length === 1 && isOpen) return roots.includes(ROOT_RESOURCE)
  return named !== undefined && hasSome(organization, named.number, roots)
}

/** Under which resources a caller holds a permission, for a program that makes a query of it. */
export interface Filter {
  /** Everywhere in the organization: no condition is needed. */
  all: boolean
  /** None of them lies below another. */
  roots: { type: string; id: string }[]
}

/**
 * The fewest resources under which the agent, those it acts for and what they let it do all hold a permission. Empty
 * where the token does not carry it, where the caller would be refused whatever it asks for, where the permission is not
 * known, and where it (or a delegation) has a condition: which resources that holds for cannot be said beforehand.
 */
export function filterFor(
  snapshot: Snapshot,
  request: Pick<DecisionRequest, 'server' | 'caller' | 'now'>,
  permission: string,
): Filter {
  const parties = partiesOf(snapshot, request)
  const { organization, chain } = parties
  const { caller, now } = request
  if (!organization || refuse(parties, request) || refuseEnded(parties, now)) return nothing()
  if (!carriesScope(parties, caller, permission, now) || !reachesCeiling(parties, permission))
    return nothing()
  if (!chainCarries(parties, permission) || chain.some(({ link }) => link?.fact.condition !== null))
    return nothing()
  if (organization.catalogue.permissions.get(permission)?.fact.condition !== null) return nothing()
  const roots = reachOf(parties, permission, now)
  if (roots.includes(ROOT_RESOURCE)) return { all: true, roots: [] }
  return {
    all: false,
    roots: roots.map(seq => ({
      type: organization.catalogue.typeAt[organization.tree.typeOf(seq)]?.fact.slug ?? '',
      id: organization.tree.externalIdOf(seq),
    })),
  }
}

function nothing(): Filter {
  return { all: false, roots: [] }
}
