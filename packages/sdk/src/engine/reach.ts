import { anyCovers, ROOT_RESOURCE } from '../core/index.ts'
import { intersectRoots, rootsOf } from './access.ts'
import type { OrganizationView } from './organization.ts'
import { seatOf } from './organization.ts'
import type { Action, DecisionRequest } from './request.ts'
import type { Rule } from './rule.ts'
import type { Snapshot } from './snapshot.ts'
import { refuse, refuseCaller } from './state.ts'
import { hasSome } from './target.ts'
import { carriesScope, findRule, grantOf } from './walk.ts'

/** The fewest resources under which agent, person and grant all hold a permission. */
export function reachOf(
  organization: OrganizationView,
  { caller, now }: Pick<DecisionRequest, 'caller' | 'now'>,
  permission: string,
): number[] {
  const rootsFor = (id: string) => {
    const principal = organization.principals.get(id)?.seq ?? 0
    return rootsOf(organization, { principal, permission, now }).map(({ resource }) => resource)
  }
  const roots = rootsFor(caller.agent)
  const grant = grantOf(organization, caller)
  if (!grant) return caller.person === null ? roots : []
  return intersectRoots(
    organization,
    intersectRoots(organization, roots, rootsFor(grant.person)),
    grant.resources,
  )
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
  const { caller } = request
  const server = snapshot.catalogue.servers.get(request.server)
  const organization = snapshot.organization(caller.organization)
  const seat = organization && seatOf(organization, caller.agent)
  if (!server || !seat || refuse(server, organization, seat, request)) return false
  const rule = findRule(server, action)
  if ((rule?.fact.mode ?? server.fact.mode) === 'audit') return true
  if (!rule || (action.kind === 'tool' && rule.fact.definition !== action.definition)) return false
  const { permission } = rule.fact
  if (!carriesScope(organization, caller, permission) && !anyCovers(seat.agent.ceiling, permission))
    return false
  return reachesSome(organization, rule, reachOf(organization, request, permission))
}

/** Whether a rule could name something under these roots. */
function reachesSome(organization: OrganizationView, rule: Rule, roots: readonly number[]): boolean {
  if (roots.length === 0) return false
  if (!rule.template) return roots.includes(ROOT_RESOURCE)
  const types = rule.template.types.map(slug => organization.catalogue.typesBySlug.get(slug))
  const last = types.at(-1)
  const named = last?.instances === 'open' ? types.at(-2) : last
  // An open type that stands alone lies below the organization itself.
  if (types.length === 1 && last?.instances === 'open') return roots.includes(ROOT_RESOURCE)
  return named !== undefined && hasSome(organization, named.id, roots)
}

/** Under which resources a caller holds a permission, for a program that makes a query of it. */
export interface Filter {
  /** Everywhere in the organization: no condition is needed. */
  all: boolean
  /** None of them lies below another. */
  roots: { type: string; id: string }[]
}

/**
 * The fewest resources under which the agent, the person it acts for and the grant between them all hold a permission.
 * Empty where the token does not carry it, or where the caller would be refused whatever it asks for.
 */
export function filterFor(
  snapshot: Snapshot,
  request: Pick<DecisionRequest, 'server' | 'caller' | 'now'>,
  permission: string,
): Filter {
  const organization = snapshot.organization(request.caller.organization)
  if (!organization || refuseCaller(snapshot, request)) return { all: false, roots: [] }
  if (!carriesScope(organization, request.caller, permission)) return { all: false, roots: [] }
  const roots = reachOf(organization, request, permission)
  if (roots.includes(ROOT_RESOURCE)) return { all: true, roots: [] }
  return {
    all: false,
    roots: roots.map(seq => ({
      type: organization.catalogue.resourceTypes.get(organization.tree.typeOf(seq))?.slug ?? '',
      id: organization.tree.externalIdOf(seq),
    })),
  }
}
