import * as z from 'zod'
import type { Api } from './route.ts'
import * as s from './shapes/index.ts'

/** Names an organization by id or slug; may be left out where the credential belongs to one. */
const inOrganization = { organization: s.Ref.optional() }

/** Taking back what was given. */
export const revocations = {
  revocations: {
    create: {
      method: 'POST',
      path: '/revocations',
      summary:
        'Take back an agent, a credential or a token, and wait until every enforcement point has confirmed',
      permission: 'revocation:write',
      body: z.object({
        ...inOrganization,
        kind: z.enum(['token', 'credential', 'agent']),
        /** Name or id of the agent, id of the credential, or the token's `jti`. */
        id: s.Ref,
        reason: s.Text.default(''),
        /** Milliseconds to wait for the enforcement points; 0 answers at once. */
        waitMs: z.number().int().min(0).max(60_000).default(0),
      }),
      returns: s.Revocation,
    },
  },
} as const satisfies Api
