import { anyCovers, type GrantFact, type PrincipalFact } from '../core/index.ts'
import { type OrganizationView, seatOf } from './organization.ts'

/** Whether an organization answers at all: it is frozen with everything, too. */
export function isInForce({ catalogue, fact }: OrganizationView): boolean {
  return !catalogue.isFrozen && fact?.status === 'active'
}

/** Whether a principal counts at all: it is active, and an agent's owner is too. */
export function isActive(view: OrganizationView, principal: PrincipalFact): boolean {
  if (principal.status !== 'active') return false
  return principal.kind !== 'agent' || seatOf(view, principal.id)?.owner?.status === 'active'
}

/** Who is looked at by lists: nobody in an organization that is frozen. */
export function isHeard(view: OrganizationView, principal: PrincipalFact): boolean {
  return isInForce(view) && isActive(view, principal)
}

/** Whether a grant, as long as it stands, has not ended by itself. */
export function isRunning({ expiresAt }: GrantFact, now: number): boolean {
  return expiresAt === null || expiresAt > now
}

/** Whether a grant is one by which this agent acts for this person. */
export function isBetween(
  grant: GrantFact,
  { agent, person }: { agent: string; person: string | null },
): boolean {
  return grant.person === person && grant.agent === agent
}

/** What a person lets an agent do for them at this moment; both by id. */
export function liveGrants(
  view: OrganizationView,
  between: { agent: string; person: string },
  now: number,
): GrantFact[] {
  return [...view.grants.values()]
    .map(({ fact }) => fact)
    .filter(grant => isBetween(grant, between) && isRunning(grant, now))
}

/** Whether a resource is one of those that a grant is about, or lies below one. */
export function isGranted({ tree }: OrganizationView, { resources }: GrantFact, resource: number): boolean {
  for (const granted of resources) if (tree.isWithin(resource, granted)) return true
  return false
}

/** Whether a grant holds a permission now. */
export function grantCovers(
  grant: Pick<GrantFact, 'scopes' | 'elevated'>,
  permission: string,
  now: number,
): boolean {
  return coveredUntil(grant, permission) > now
}

/** Until when a grant holds a permission, as long as it stands; 0 where it never does. */
export function coveredUntil(
  { scopes, elevated }: Pick<GrantFact, 'scopes' | 'elevated'>,
  permission: string,
): number {
  if (anyCovers(scopes, permission)) return Number.POSITIVE_INFINITY
  return elevated !== undefined && Object.hasOwn(elevated, permission) ? (elevated[permission] ?? 0) : 0
}
