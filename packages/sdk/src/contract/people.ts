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
  clients: {
    register: {
      method: 'PUT',
      path: '/agents/:agent/client',
      summary: 'Name the addresses to which an agent may send people back, so that they can authorize it',
      permission: 'agent:write',
      body: z.object({
        ...inOrganization,
        /** None takes them all away. */
        redirectUris: z.array(z.string().min(1).max(2000)).max(20),
        /** A program that cannot keep a secret, such as one on a person's computer: it then proves nothing. */
        isPublic: z.boolean().default(false),
      }),
      returns: z.object({
        clientId: z.string(),
        agent: z.string(),
        redirectUris: z.array(z.string()),
        isPublic: z.boolean(),
      }),
    },
  },
} as const satisfies Api
