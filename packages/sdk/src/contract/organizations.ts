import * as z from 'zod'
import type { Api } from './route.ts'
import * as s from './shapes/index.ts'

/** Names an organization by id or slug; may be left out where the credential belongs to one. */
const inOrganization = { organization: s.Ref.optional() }
const Reason = z.object({ reason: s.Text.default('') })

/** Tenants, and the policy files that describe them. */
export const organizations = {
  organizations: {
    list: {
      method: 'GET',
      path: '/organizations',
      summary: 'List organizations',
      permission: 'organization:read',
      query: s.Page,
      returns: s.pageOf(s.Organization),
    },
    get: {
      method: 'GET',
      path: '/organizations/:id',
      summary: 'Show an organization',
      permission: 'organization:read',
      returns: s.Organization,
    },
    create: {
      method: 'POST',
      path: '/organizations',
      summary: 'Create an organization',
      permission: 'organization:write',
      idempotent: true,
      body: z.object({ slug: s.Slug, name: s.Title }),
      returns: s.Organization,
    },
    freeze: {
      method: 'POST',
      path: '/organizations/:id/freeze',
      summary: 'Refuse every call in an organization',
      permission: 'organization:write',
      body: Reason,
      returns: s.Organization,
    },
    thaw: {
      method: 'POST',
      path: '/organizations/:id/thaw',
      summary: 'Let calls in an organization be decided again, with the reason on record',
      permission: 'organization:write',
      body: z.object({ reason: s.Note }),
      returns: s.Organization,
    },
  },
  signIn: {
    get: {
      method: 'GET',
      path: '/organizations/:id/sign-in',
      summary: 'Show how the people of an organization may sign in',
      permission: 'organization:read',
      returns: s.SignInPolicy,
    },
    update: {
      method: 'PATCH',
      path: '/organizations/:id/sign-in',
      summary: 'Say how the people of an organization may sign in; sessions that are not so end at once',
      permission: 'organization:write',
      body: z.object({
        methods: z.array(s.SignInMethod).min(1).max(5).optional(),
        secondFactor: s.SecondFactor.optional(),
        sessionMinutes: s.SessionMinutes.optional(),
      }),
      returns: s.SignInPolicy,
    },
  },
  consent: {
    get: {
      method: 'GET',
      path: '/organizations/:id/consent',
      summary: 'Show how far the people of an organization may go when they let agents act',
      permission: 'organization:read',
      returns: s.ConsentPolicy,
    },
    update: {
      method: 'PATCH',
      path: '/organizations/:id/consent',
      summary: 'Say how far the people of an organization may go when they let agents act, from now on',
      permission: 'organization:write',
      body: s.ConsentPolicy.omit({ organization: true }).partial(),
      returns: s.ConsentPolicy,
    },
  },
  policy: {
    apply: {
      method: 'POST',
      path: '/policy',
      summary: 'Apply a policy as one change, or say what would change',
      permission: 'policy:write',
      body: z.object({
        ...inOrganization,
        policy: z.record(z.string(), z.json()),
        dryRun: z.boolean().default(false),
      }),
      returns: z.object({
        changes: z.array(
          z.object({ sign: z.enum(['+', '~', '-']), kind: z.string(), name: z.string(), detail: z.string() }),
        ),
        applied: z.boolean(),
      }),
    },
  },
} as const satisfies Api
