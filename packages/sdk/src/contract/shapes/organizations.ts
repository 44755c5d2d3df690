import * as z from 'zod'
import { Time } from './words.ts'

export const Organization = z.object({
  id: z.string(),
  slug: z.string(),
  name: z.string(),
  status: z.enum(['active', 'frozen', 'retired']),
  revision: z.number().int(),
  createdAt: Time,
})
/** What a person may begin a sign-in with. */
export const SignInMethod = z.enum(['password', 'passkey', 'link', 'oidc', 'saml'])
export const SecondFactor = z.enum(['optional', 'required'])
/** From five minutes to thirty days. */
export const SessionMinutes = z.number().int().min(5).max(43_200)
export const SignInPolicy = z.object({
  organization: z.string(),
  methods: z.array(SignInMethod),
  secondFactor: SecondFactor,
  sessionMinutes: SessionMinutes,
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
/** From an hour to a year. */
const GrantSeconds = z
  .number()
  .int()
  .min(3600)
  .max(365 * 86_400)
/** How far the people of an organization may go when they let agents act for them. */
export const ConsentPolicy = z.object({
  organization: z.string(),
  /** The longest that somebody may let an agent act. */
  longestSeconds: GrantSeconds,
  /** What the page proposes. */
  proposedSeconds: GrantSeconds,
  /** Whether a person may take on an agent that nobody knows yet; null is as the authority is set up. */
  mayAdopt: z.boolean().nullable(),
})
