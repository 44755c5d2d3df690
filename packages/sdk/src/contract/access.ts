import * as z from 'zod'
import type { Api } from './route.ts'
import * as s from './shapes/index.ts'

const inOrganization = { organization: s.Ref.optional() }
/** How fresh the answer must be: `strong` reads the newest revision first; a revision token asks for at least that one. */
const Asked = z.object({ ...inOrganization, consistency: s.Consistency, at: z.iso.datetime().optional() })
const One = z.object({ principal: s.PrincipalRef, permission: s.PermissionSlug, resource: s.ResourceAsked })

/** Questions about who may do what on which resource. Nothing is recorded as a call. */
export const access = {
  access: {
    check: {
      method: 'POST',
      path: '/access/check',
      summary: 'Whether a principal holds a permission on a resource',
      permission: 'decision:read',
      body: Asked.extend(One.shape),
      returns: s.Checked,
    },
    checkMany: {
      method: 'POST',
      path: '/access/check-many',
      summary: 'Any number of such questions, all at one revision',
      permission: 'decision:read',
      largeBody: true,
      body: Asked.extend({ checks: z.array(One).min(1).max(100_000) }),
      returns: z.object({
        /** In the order of the questions. */
        results: z.array(z.object({ allowed: z.boolean(), reason: z.string() })),
        revision: z.string(),
      }),
    },
    effective: {
      method: 'POST',
      path: '/access/effective',
      summary: 'Everything that a principal may do on a resource',
      permission: 'decision:read',
      body: Asked.extend({ principal: s.PrincipalRef, resource: s.ResourceAsked }),
      returns: z.object({ permissions: z.array(z.string()), revision: z.string() }),
    },
    resources: {
      method: 'POST',
      path: '/access/resources',
      summary: 'On which resources of a type a principal holds a permission, and why',
      permission: 'decision:read',
      body: Asked.extend(s.Page.shape).extend({
        principal: s.PrincipalRef,
        permission: s.PermissionSlug,
        type: s.Ref,
      }),
      returns: s.pageOf(s.Reached).extend({ revision: z.string() }),
    },
    principals: {
      method: 'POST',
      path: '/access/principals',
      summary: 'Who holds a permission on a resource, and why',
      permission: 'decision:read',
      body: Asked.extend(s.Page.shape).extend({
        permission: s.PermissionSlug,
        resource: s.ResourceAsked,
        kind: z.enum(['user', 'agent', 'service', 'group']).optional(),
        /** `direct` leaves out what comes from above or through a group. */
        how: z.enum(['all', 'direct']).default('all'),
      }),
      returns: s.pageOf(s.Holder).extend({ revision: z.string() }),
    },
    reach: {
      method: 'POST',
      path: '/access/reach',
      summary: 'Everything that a principal can reach, by the roles that it comes from',
      permission: 'decision:read',
      body: Asked.extend({ principal: s.PrincipalRef }),
      returns: z.object({ items: z.array(s.Reach), revision: z.string() }),
    },
    filter: {
      method: 'POST',
      path: '/access/filter',
      summary: 'The fewest resources under which a principal holds a permission, to be put into a query',
      permission: 'decision:read',
      body: Asked.extend({ principal: s.PrincipalRef, permission: s.PermissionSlug }),
      returns: s.Filter.extend({ revision: z.string() }),
    },
    explain: {
      method: 'POST',
      path: '/access/explain',
      summary: 'Why a principal may or may not, what came close, and the smallest role that would allow it',
      permission: 'decision:read',
      body: Asked.extend(One.shape),
      returns: s.AccessExplanation,
    },
    whatIf: {
      method: 'POST',
      path: '/access/what-if',
      summary: 'What a policy would change for these questions, without applying it',
      permission: 'policy:write',
      body: z.object({
        ...inOrganization,
        policy: z.record(z.string(), z.json()),
        checks: z.array(One).max(1_000).default([]),
        /** Whose reach is compared as a whole. */
        principals: z.array(s.PrincipalRef).max(50).default([]),
      }),
      returns: s.Comparison,
    },
  },
} as const satisfies Api
