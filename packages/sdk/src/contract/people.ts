import * as z from 'zod'
import type { Api } from './route.ts'
import * as s from './shapes/index.ts'

/** Names an organization by id or slug; may be left out where the credential belongs to one. */
const inOrganization = { organization: s.Ref.optional() }
const OrganizationPage = s.Page.extend(inOrganization)

/** People, and how they come to sign in. */
export const people = {
  people: {
    list: {
      method: 'GET',
      path: '/people',
      summary: 'List people',
      permission: 'person:read',
      query: OrganizationPage,
      returns: s.pageOf(s.Person),
    },
    get: {
      method: 'GET',
      path: '/people/:id',
      summary: 'Show a person',
      permission: 'person:read',
      query: z.object(inOrganization),
      returns: s.Person,
    },
    create: {
      method: 'POST',
      path: '/people',
      summary: 'Add a person',
      permission: 'person:write',
      idempotent: true,
      body: z.object({
        ...inOrganization,
        email: z.email().max(320).optional(),
        /** What the organization calls the person, where that is not the email address: one of the two is needed. */
        externalId: s.ExternalId.optional(),
        name: s.Title,
      }),
      returns: s.Person,
    },
    update: {
      method: 'PATCH',
      path: '/people/:id',
      summary: 'Rename, suspend or reinstate a person',
      permission: 'person:write',
      body: z.object({
        ...inOrganization,
        name: s.Title.optional(),
        status: z.enum(['active', 'suspended', 'retired']).optional(),
        /** Why; who lets a person act again has to say it. */
        reason: s.Note.optional(),
      }),
      returns: s.Person,
    },
    signOut: {
      method: 'POST',
      path: '/people/:id/sign-out',
      summary: 'End all sessions of a person',
      permission: 'person:write',
      body: z.object({ ...inOrganization, reason: s.Text.default('') }),
      returns: s.Person,
    },
  },
  factors: {
    list: {
      method: 'GET',
      path: '/people/:id/factors',
      summary: 'List what a person signs in by beside a password',
      permission: 'person:read',
      query: z.object(inOrganization),
      returns: z.object({ items: z.array(s.Factor), next: z.null() }),
    },
    remove: {
      method: 'DELETE',
      path: '/people/:id/factors/:factor',
      summary: 'Take away a factor that a person has lost, and end the person’s sessions',
      permission: 'person:write',
      query: z.object({ ...inOrganization, ...s.why }),
      returns: s.Factor,
    },
  },
  invitations: {
    create: {
      method: 'POST',
      path: '/people/:id/invite',
      summary:
        'Make the link by which a person sets a password; it is shown once, and takes back earlier ones',
      permission: 'person:write',
      body: z.object({
        ...inOrganization,
        /** Sends it to the person as well. */
        mail: z.boolean().default(false),
      }),
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
