import * as z from 'zod'
import { isId } from '../../core/index.ts'

export const Time = z.iso.datetime()
/** Things may be named by id or by name, so no name may look like an id. */
const isNoId = (name: string) => !isId(name)
const NO_ID = 'This has the form of an id. Choose a name that no id can have.'
/** A name that people type: letters, digits, `-`, `_` and `.`; no look-alikes, no control characters. */
export const Name = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/,
    'Use 1 to 64 letters, digits, "-", "_" or ".", beginning with a letter or digit.',
  )
  .refine(isNoId, NO_ID)
export const Slug = z
  .string()
  .regex(
    /^[a-z][a-z0-9._-]{0,63}$/,
    'Use 1 to 64 small letters, digits, "-", "_" or ".", beginning with a letter.',
  )
  .refine(isNoId, NO_ID)
/** Names something that exists, by id or by name. */
export const Ref = z.string().min(1).max(400)
export const PermissionSlug = z
  .string()
  .regex(/^[a-z][a-z0-9._-]{0,63}:[a-z][a-z0-9._-]{0,63}$/, 'Write a permission as "invoices:read".')
/** A permission, or all of a family as `invoices:*`. */
export const Scope = z
  .string()
  .regex(
    /^[a-z][a-z0-9._-]{0,63}:([a-z][a-z0-9._-]{0,63}|\*)$/,
    'Write a scope as "invoices:read" or "invoices:*".',
  )
/** Words for people: any script, but nothing that moves the cursor, hides, or turns the reading direction around. */
const words = (max: number) =>
  z
    .string()
    .max(max)
    .regex(
      /^[^\p{Cc}\p{Zl}\p{Zp}\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]*$/u,
      'Leave out control characters and invisible characters.',
    )
export const Text = words(500)
/** Why something is taken away, where that need not be said; what is said goes on record with it. */
export const why = { reason: Text.optional() }
/** Why something may go on again: not left out, and not blank. */
export const Note = words(500).refine(text => text.trim() !== '', 'Say why: it goes on record.')
/** What a thing is called in lists and records. */
export const Label = words(200)
export const Title = Label.min(1)

export const Page = z.object({
  limit: z.coerce.number().int().min(1).max(200).default(50),
  cursor: z.string().max(500).optional(),
})
export const pageOf = <T extends z.ZodType>(item: T) =>
  z.object({ items: z.array(item), next: z.string().nullable() })

/** What an app calls a resource of its own: anything but control and invisible characters, up to 256 of them. */
export const ExternalId = words(256).min(1)
/** A resource by type and id, as `invoice/INV-1`; `/` and `%` inside an id are written as `%2F` and `%25`. */
export const ResourceRef = z
  .string()
  .min(3)
  .max(1024)
  .regex(/^[^/]+\/[^/]+$/, 'Write a resource as type and id, as "invoice/INV-1".')
/** The same in a question; what is of an open type may be named below a registered resource, `customer/acme/file/7`. */
export const ResourceAsked = z
  .string()
  .min(3)
  .max(2048)
  .regex(
    /^[^/]+\/[^/]+(\/[^/]+\/[^/]+)?$/,
    'Write a resource as type and id, as "invoice/INV-1"; of an open type also as "customer/acme/file/7".',
  )
/** A principal by id, or as `user:ada@northwind.test`, `agent:support-bot`, `group:finance`, `service:billing`. */
export const PrincipalRef = z.string().min(1).max(400)
/** Names a revision, as every write and every question about access answers it. */
export const RevisionRef = z.string().startsWith('rev_').max(200)
export const Consistency = z.union([z.enum(['strong', 'local']), RevisionRef]).default('strong')
