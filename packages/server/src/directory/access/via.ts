import { isoTime } from '@valetkey/sdk/core'
import { type Held, type OrganizationView, refOf } from '@valetkey/sdk/engine'
import type { OutputOf } from '../operation.ts'

export type Via = OutputOf<'access', 'check'>['via'][number]

/** By which role on which resource something is held, for a person to read. */
export function toVia(view: OrganizationView, { assignment, role, group }: Held): Via {
  return {
    assignment: assignment.id,
    role: role.fact?.slug ?? role.id,
    on: refOf(view, assignment.resource),
    group: group === null ? null : (view.principalAt[group]?.name ?? null),
    source: assignment.source,
    createdBy: assignment.createdBy,
    expiresAt: assignment.expiresAt === null ? null : isoTime(assignment.expiresAt),
  }
}
