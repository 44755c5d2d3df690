import * as z from 'zod'
import { Time } from './words.ts'

/** A key that tokens are signed with: published as `next`, then `active`, then `retired` until its last token has ended. */
export const SigningKey = z.object({
  kid: z.string(),
  algorithm: z.enum(['ES256', 'EdDSA']),
  status: z.enum(['next', 'active', 'retired']),
  createdAt: Time,
  /** Null for the one in reserve. */
  signsFrom: Time.nullable(),
  /** When the last of its tokens has ended; null while it signs or will. */
  endsAt: Time.nullable(),
})
