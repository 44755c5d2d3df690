import * as z from 'zod'
import { Time } from './words.ts'

/** By which role on which resource somebody holds a permission. */
export const Via = z.object({
  assignment: z.string(),
  role: z.string(),
  /** Type and id of the resource that the role was given on. */
  on: z.string(),
  /** The group it was given to; null where to the principal itself. */
  group: z.string().nullable(),
  source: z.enum(['direct', 'group', 'idp', 'approval']),
  createdBy: z.string(),
  expiresAt: Time.nullable(),
})
export const Checked = z.object({
  allowed: z.boolean(),
  /** `permitted`, or what is missing: `principal_unknown`, `resource_unknown`, `suspended`, `permission_missing`. */
  reason: z.string(),
  via: z.array(Via),
  /** Of the facts that were decided on; a later question can ask for at least this one. */
  revision: z.string(),
})
export const Reached = z.object({ resource: z.string(), path: z.string(), via: Via, direct: z.boolean() })
/** What one role gives on a resource and below, where no other gives it further up. */
export const Reach = z.object({
  via: Via,
  /** With the condition that decides single resources, where there is one. */
  permissions: z.array(z.object({ slug: z.string(), condition: z.string().nullable() })),
})
export const Holder = z.object({
  principal: z.string(),
  kind: z.enum(['user', 'agent', 'service', 'group']),
  name: z.string(),
  via: Via,
  direct: z.boolean(),
})
export const Filter = z.object({
  /** The whole organization: no condition is needed. */
  all: z.boolean(),
  /** None of them lies below another. */
  roots: z.array(z.object({ type: z.string(), id: z.string() })),
})
export const AccessExplanation = Checked.extend({
  sentence: z.string(),
  /** From the resource up to the organization. */
  path: z.array(z.string()),
  /** Roles that the principal has on the way up and that lack the permission. */
  near: z.array(Via),
  /** The smallest roles that would allow it, nearest resource first, with what else each would give. */
  wouldAllow: z.array(z.object({ role: z.string(), on: z.string(), alsoGives: z.array(z.string()) })),
})
export const Comparison = z.object({
  checks: z.array(z.object({ before: z.boolean(), after: z.boolean() })),
  principals: z.array(
    z.object({
      principal: z.string(),
      gained: z.array(z.object({ permission: z.string(), on: z.string() })),
      lost: z.array(z.object({ permission: z.string(), on: z.string() })),
    }),
  ),
})
