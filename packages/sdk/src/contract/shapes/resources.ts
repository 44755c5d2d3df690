import * as z from 'zod'
import { ExternalId, Label, ResourceRef, Slug } from './words.ts'

export const ResourceType = z.object({
  id: z.string(),
  slug: z.string(),
  name: z.string(),
  parents: z.array(z.string()),
  /** Ids of an `open` type are not registered: any id names one, below the resource that it is named under. */
  instances: z.enum(['registered', 'open']),
})
export const Resource = z.object({
  type: z.string(),
  id: z.string(),
  name: z.string(),
  organization: z.string(),
  parent: z.string().nullable(),
  /** From below the organization down to it, as `customer/acme/invoice/INV-1`. */
  path: z.string(),
})
export const NewResource = z.object({
  type: Slug,
  id: ExternalId,
  /** Where it is left out, a resource that is there already keeps the one it has. */
  name: Label.optional(),
  /** The organization where none is named. */
  parent: ResourceRef.optional(),
})
