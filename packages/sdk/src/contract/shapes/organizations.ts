import * as z from 'zod'
import { Time } from './words.ts'

export const Organization = z.object({
  id: z.string(),
  slug: z.string(),
  name: z.string(),
  status: z.enum(['active', 'frozen']),
  revision: z.number().int(),
  createdAt: Time,
})
export const ApiToken = z.object({
  id: z.string(),
  name: z.string(),
  permissions: z.array(z.string()),
  createdAt: Time,
  createdBy: z.string(),
  expiresAt: Time.nullable(),
  lastUsedAt: Time.nullable(),
})
