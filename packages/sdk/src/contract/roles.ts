import * as z from 'zod'
import { Risk } from '../core/index.ts'
import type { Api } from './route.ts'
import * as s from './shapes/index.ts'

/** Names an organization by id or slug; may be left out where the credential belongs to one. */
const inOrganization = { organization: s.Ref.optional() }
const OrganizationPage = s.Page.extend(inOrganization)
const Expiry = z.iso.datetime().nullable().default(null)

/** Permissions, the roles that carry them, and who was given which on what. */
export const roles = {
  permissions: {
    list: {
      method: 'GET',
      path: '/permissions',
      summary: 'List permissions',
      permission: 'role:read',
      query: s.Page,
      returns: s.pageOf(s.Permission),
    },
    create: {
      method: 'POST',
      path: '/permissions',
      summary: 'Create a permission',
      permission: 'role:write',
      idempotent: true,
      body: z.object({
        slug: s.PermissionSlug,
        type: s.Ref.default('organization'),
        label: s.Label.default(''),
        risk: Risk.default('write'),
        condition: s.Condition.nullable().default(null),
      }),
      returns: s.Permission,
    },
    update: {
      method: 'PATCH',
      path: '/permissions/:id',
      summary: 'Change what a permission is called, its risk or its condition',
      permission: 'role:write',
      body: z.object({
        label: s.Label.optional(),
        risk: Risk.optional(),
        condition: s.Condition.nullable().optional(),
      }),
      returns: s.Permission,
    },
  },
  roles: {
    list: {
      method: 'GET',
      path: '/roles',
      summary: "List roles: everybody's, and an organization's own where one is named",
      permission: 'role:read',
      query: OrganizationPage,
      returns: s.pageOf(s.Role),
    },
    get: {
      method: 'GET',
      path: '/roles/:id',
      summary: 'Show a role',
      permission: 'role:read',
      query: z.object(inOrganization),
      returns: s.Role,
    },
    create: {
      method: 'POST',
      path: '/roles',
      summary: 'Create a role: for all organizations, or for the one that is named',
      permission: 'role:write',
      idempotent: true,
      body: z.object({
        ...inOrganization,
        slug: s.Slug,
        name: s.Label.default(''),
        type: s.Ref.default('organization'),
        permissions: z.array(s.PermissionSlug).max(500),
      }),
      returns: s.Role,
    },
    update: {
      method: 'PATCH',
      path: '/roles/:id',
      summary: 'Change what a role holds, for everyone who has it, at once',
      permission: 'role:write',
      body: z.object({
        ...inOrganization,
        name: s.Label.optional(),
        permissions: z.array(s.PermissionSlug).max(500).optional(),
      }),
      returns: s.Role,
    },
  },
  assignments: {
    list: {
      method: 'GET',
      path: '/assignments',
      summary: 'List who has which role',
      permission: 'assignment:read',
      query: OrganizationPage.extend({
        principal: s.PrincipalRef.optional(),
        role: s.Ref.optional(),
        resource: s.ResourceRef.optional(),
      }),
      returns: s.pageOf(s.Assignment),
    },
    create: {
      method: 'POST',
      path: '/assignments',
      summary: 'Give a principal a role on a resource, or on the whole organization',
      permission: 'assignment:write',
      idempotent: true,
      body: z.object({
        ...inOrganization,
        principal: s.PrincipalRef,
        role: s.Ref,
        resource: s.ResourceRef.optional(),
        source: z.enum(['direct', 'group', 'idp', 'approval']).default('direct'),
        /** What the source calls it: the same role from two sources stands until both have taken it back. */
        sourceId: s.Label.default(''),
        expiresAt: Expiry,
      }),
      returns: s.Assignment,
    },
    clear: {
      method: 'POST',
      path: '/assignments/clear',
      summary: 'Take away every role of a principal, or every role that was given on a resource',
      permission: 'assignment:write',
      body: z.object({
        ...inOrganization,
        principal: s.PrincipalRef.optional(),
        resource: s.ResourceRef.optional(),
        ...s.why,
      }),
      returns: z.object({ removed: z.number().int() }),
    },
    remove: {
      method: 'DELETE',
      path: '/assignments/:id',
      summary: 'Take a role away',
      permission: 'assignment:write',
      query: z.object({ ...inOrganization, ...s.why }),
      returns: s.Assignment,
    },
  },
} as const satisfies Api
