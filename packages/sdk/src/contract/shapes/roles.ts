import * as z from 'zod'
import { Risk } from '../../core/index.ts'
import { Time } from './words.ts'

export const Permission = z.object({
  id: z.string(),
  slug: z.string(),
  type: z.string(),
  label: z.string(),
  risk: Risk,
  condition: z.string().nullable(),
})
export const Role = z.object({
  id: z.string(),
  /** The organization whose own role this is; null where it is there for all. */
  organization: z.string().nullable(),
  slug: z.string(),
  name: z.string(),
  type: z.string(),
  permissions: z.array(z.string()),
})
export const Assignment = z.object({
  id: z.string(),
  organization: z.string(),
  principal: z.string(),
  principalName: z.string(),
  /** The role's slug. */
  role: z.string(),
  /** Type and name: `organization/northwind`. */
  resource: z.string(),
  source: z.enum(['direct', 'group', 'idp', 'approval']),
  createdAt: Time,
  createdBy: z.string(),
  expiresAt: Time.nullable(),
})
