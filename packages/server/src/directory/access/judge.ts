import type { PrincipalFact } from '@valetkey/sdk/core'
import {
  isAllowed,
  type OrganizationView,
  type PermissionInput,
  type PermissionView,
} from '@valetkey/sdk/engine'
import type { Target } from './question.ts'

/** Why a question is answered with no. */
export type Denial =
  | 'stale'
  | 'frozen'
  | 'principal_unknown'
  | 'resource_unknown'
  | 'suspended'
  | 'permission_missing'
  | 'condition_failed'

/** What a caller knows beside names; only the condition of a permission looks at it. */
export type Known = Partial<PermissionInput>

export interface Matter {
  principal: PrincipalFact | undefined
  permission: PermissionView
  target: Target
  now: number
  known?: Known
}

/** Whether a principal holds a permission on a resource, or what is missing first. */
export function judge(view: OrganizationView, matter: Matter): 'permitted' | Denial {
  const { principal, permission, target, now } = matter
  if (view.fact?.status !== 'active') return 'frozen'
  if (!principal) return 'principal_unknown'
  if (target.seq === 0) return 'resource_unknown'
  if (!isActive(view, principal)) return 'suspended'
  const question = { principal: principal.seq, permission: permission.fact.slug, resource: target.seq, now }
  if (!isAllowed(view, question)) return 'permission_missing'
  return holds(matter, principal) ? 'permitted' : 'condition_failed'
}

/** Whether a principal counts at all: it is active, and an agent's owner is too. */
export function isActive(view: OrganizationView, principal: PrincipalFact): boolean {
  if (principal.status !== 'active') return false
  if (principal.kind !== 'agent') return true
  const owner = view.agents.get(principal.id)?.owner ?? ''
  return view.principals.get(owner)?.status === 'active'
}

/** Who is looked at by lists: nobody in an organization that is frozen. */
export function isHeard(view: OrganizationView, principal: PrincipalFact): boolean {
  return view.fact?.status === 'active' && isActive(view, principal)
}

export function holds({ permission, target, known }: Matter, principal: PrincipalFact): boolean {
  if (permission.fact.condition === null) return true
  return permission.holds({
    subject: known?.subject ?? { type: principal.kind, id: principal.id, properties: {} },
    resource: known?.resource ?? { type: target.type.slug, id: target.id, properties: {} },
    action: known?.action ?? { name: permission.fact.slug, properties: {} },
    context: known?.context ?? {},
  })
}
