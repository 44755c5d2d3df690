import { nearOf, wouldAllow } from './access.ts'
import { refOf } from './naming.ts'
import type { Missing } from './request.ts'
import type { Walk } from './walk.ts'

const MOST_SHOWN = 5

/** What a refused principal lacked on a resource, what came close, and the smallest roles that would mend it. */
export function explainMissing(
  { organization, rule, request }: Walk,
  { principal, resource }: { principal: number; resource: number },
): Missing | null {
  const permission = rule?.fact.permission
  const who = organization?.principalAt[principal]
  if (!organization || !who || permission === undefined) return null
  const path = [refOf(organization, resource)]
  for (let at = organization.tree.parentOf(resource); at !== 0; at = organization.tree.parentOf(at))
    path.push(refOf(organization, at))
  const near = nearOf(organization, { principal, permission, resource, now: request.now })
  return {
    principal: who.name,
    permission,
    path,
    near: near.slice(0, MOST_SHOWN).map(({ role, assignment, group }) => ({
      role: role.fact?.slug ?? '',
      on: refOf(organization, assignment.resource),
      group: group === null ? null : (organization.principalAt[group]?.name ?? null),
    })),
    wouldAllow: wouldAllow(organization, { permission, resource })
      .slice(0, MOST_SHOWN)
      .map(({ role, resource: on, alsoGives }) => ({
        role: role.fact?.slug ?? '',
        on: refOf(organization, on),
        alsoGives,
      })),
  }
}
