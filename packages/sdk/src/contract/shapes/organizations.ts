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
