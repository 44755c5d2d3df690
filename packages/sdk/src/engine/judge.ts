import type { PrincipalFact } from '../core/index.ts'
import { isAllowed } from './access.ts'
import type { PermissionView, TypeView } from './catalogue.ts'
import type { PermissionInput } from './condition.ts'
import { grantCovers, isActive, isGranted, isInForce, liveGrants } from './life.ts'
import type { OrganizationView } from './organization.ts'

/** Why somebody may not do something themselves. */
export type Denial =
  | 'frozen'
  | 'principal_unknown'
  | 'resource_unknown'
  | 'suspended'
  | 'permission_missing'
  | 'condition_failed'

/** Why an agent may not do for a person what the person may. */
export type AgentDenial =
  | Exclude<Denial, 'permission_missing'>
  | 'agent_unknown'
  | 'agent_lacks_permission'
  | 'revoked'
  | 'scope_missing'
  | 'grant_resource'

/** What a caller knows beside names; only the condition of a permission looks at it. */
export type Known = Partial<PermissionInput>

/** Whether somebody may do something on one resource, without any tool and any token. */
export interface Matter {
  principal: PrincipalFact | undefined
  permission: PermissionView
  /** What it is called, and the number by which it is allowed; 0 where there is no such resource. */
  target: { type: TypeView; id: string; seq: number }
  now: number
  known?: Known
}

/** Whether a principal holds a permission on a resource, or what is missing first. */
export function judge(view: OrganizationView, matter: Matter): 'permitted' | Denial {
  const { principal, permission, target, now } = matter
  if (!isInForce(view)) return 'frozen'
  if (!principal) return 'principal_unknown'
  if (target.seq === 0) return 'resource_unknown'
  if (!isActive(view, principal)) return 'suspended'
  const question = { principal: principal.seq, permission: permission.fact.slug, resource: target.seq, now }
  if (!isAllowed(view, question)) return 'permission_missing'
  return holds(matter, principal) ? 'permitted' : 'condition_failed'
}

/**
 * Whether an agent may do for the principal of a matter what that one may do itself: it needs the permission too, and the
 * principal's leave for this resource.
 */
export function judgeAgent(
  view: OrganizationView,
  matter: Matter,
  agent: PrincipalFact | undefined,
): 'permitted' | Denial | AgentDenial {
  const own = judge(view, matter)
  const person = matter.principal
  if (own !== 'permitted' || !person || agent?.id === person.id) return own
  if (agent?.kind !== 'agent') return 'agent_unknown'
  const reason = judge(view, { ...matter, principal: agent })
  if (reason !== 'permitted') return reason === 'permission_missing' ? 'agent_lacks_permission' : reason
  // One for a server, or for some of its tools, is no leave for anything else; one that is frozen is none at all.
  const grants = liveGrants(view, { agent: agent.id, person: person.id }, matter.now).filter(
    ({ server, tools, frozen }) => server === undefined && tools === undefined && !frozen,
  )
  if (grants.length === 0) return 'revoked'
  const carrying = grants.filter(grant => grantCovers(grant, matter.permission.fact.slug, matter.now))
  if (carrying.length === 0) return 'scope_missing'
  return carrying.some(grant => isGranted(view, grant, matter.target.seq)) ? 'permitted' : 'grant_resource'
}

/** Whether the condition of a permission holds for somebody on a resource; always where it has none. */
export function holds(
  {
    permission,
    target,
    known,
  }: Pick<Matter, 'permission' | 'known'> & { target: Pick<Matter['target'], 'type' | 'id'> },
  { kind, id }: Pick<PrincipalFact, 'kind' | 'id'>,
): boolean {
  const { condition, slug } = permission.fact
  if (condition === null) return true
  return permission.holds({
    subject: known?.subject ?? { type: kind, id, properties: {} },
    resource: known?.resource ?? { type: target.type.fact.slug, id: target.id, properties: {} },
    action: known?.action ?? { name: slug, properties: {} },
    context: known?.context ?? {},
  })
}
