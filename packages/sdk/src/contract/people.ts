import * as z from 'zod'
import type { Api } from './route.ts'
import * as s from './shapes.ts'

const inOrganization = { organization: s.Ref.optional() }

/** How people come to sign in, and where the agents that they authorize return to. */
export const people = {
  invitations: {
    create: {
      method: 'POST',
      path: '/people/:id/invite',
      summary:
        'Make the link by which a person sets a password; it is shown once, and takes back earlier ones',
      permission: 'person:write',
      body: z.object(inOrganization),
      returns: z.object({
        id: z.string(),
        person: z.string(),
        email: z.string(),
        url: z.string(),
        expiresAt: z.iso.datetime(),
      }),
    },
  },
} as const satisfies Api
