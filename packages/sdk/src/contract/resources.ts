import * as z from 'zod'
import type { Api } from './route.ts'
import * as s from './shapes/index.ts'

const inOrganization = { organization: s.Ref.optional() }
const OrganizationPage = s.Page.extend(inOrganization)
const Expiry = z.iso.datetime().nullable().default(null)
/** Where one named resource is, in a query: types and ids may hold anything that a path segment cannot. */
const One = z.object({ ...inOrganization, resource: s.ResourceRef })

/** The tree of resources, who belongs together, and what people let agents do for them. */
export const resources = {
  resourceTypes: {
    list: {
      method: 'GET',
      path: '/resource-types',
      summary: 'List resource types',
      permission: 'role:read',
      query: s.Page,
      returns: s.pageOf(s.ResourceType),
    },
    create: {
      method: 'POST',
      path: '/resource-types',
      summary: 'Create a resource type',
      permission: 'role:write',
      idempotent: true,
      body: z.object({
        slug: s.Slug,
        name: s.Label.default(''),
        parents: z.array(s.Ref).max(20).default([]),
        instances: z.enum(['registered', 'open']).default('registered'),
      }),
      returns: s.ResourceType,
    },
    update: {
      method: 'PATCH',
      path: '/resource-types/:id',
      summary: 'Rename a resource type, or let it lie below more or fewer others',
      permission: 'role:write',
      body: z.object({ name: s.Label.optional(), parents: z.array(s.Ref).min(1).max(20).optional() }),
      returns: s.ResourceType,
    },
  },
  resources: {
    list: {
      method: 'GET',
      path: '/resources',
      summary: 'List resources, those of a type or those directly below another',
      permission: 'resource:read',
      query: OrganizationPage.extend({ type: s.Ref.optional(), parent: s.ResourceRef.optional() }),
      returns: s.pageOf(s.Resource),
    },
    get: {
      method: 'GET',
      path: '/resource',
      summary: 'Show a resource and its path',
      permission: 'resource:read',
      query: One,
      returns: s.Resource,
    },
    put: {
      method: 'PUT',
      path: '/resource',
      summary: 'Register a resource, or rename it; the same again changes nothing',
      permission: 'resource:write',
      body: s.NewResource.extend(inOrganization),
      returns: s.Resource,
    },
    move: {
      method: 'POST',
      path: '/resource/move',
      summary: 'Put a resource, with everything below it, below another one',
      permission: 'resource:write',
      body: One.extend({ parent: s.ResourceRef }),
      returns: s.Resource,
    },
    remove: {
      method: 'DELETE',
      path: '/resource',
      summary: 'Remove a resource; with `cascade`, everything below it and every role given there',
      permission: 'resource:write',
      query: One.extend({ ...s.why, cascade: z.union([z.boolean(), z.stringbool()]).default(false) }),
      returns: s.Resource.extend({ removed: z.number().int() }),
    },
    import: {
      method: 'POST',
      path: '/resources/import',
      summary: 'Register many resources in short steps; says which rows were refused',
      permission: 'resource:write',
      body: z.object({ ...inOrganization, rows: z.array(z.json()).max(2_000) }),
      returns: z.object({
        created: z.number().int(),
        changed: z.number().int(),
        unchanged: z.number().int(),
        /** By place in `rows`. */
        rejected: z.array(z.object({ row: z.number().int(), code: z.string(), detail: z.string() })),
      }),
    },
  },
  groups: {
    list: {
      method: 'GET',
      path: '/groups',
      summary: 'List groups',
      permission: 'group:read',
      query: OrganizationPage,
      returns: s.pageOf(s.Group),
    },
    create: {
      method: 'POST',
      path: '/groups',
      summary: 'Create a group of people, agents, services or other groups',
      permission: 'group:write',
      idempotent: true,
      body: z.object({ ...inOrganization, name: s.Name, title: s.Label.default('') }),
      returns: s.Group,
    },
    remove: {
      method: 'DELETE',
      path: '/groups/:group',
      summary: 'Remove a group, its memberships and the roles it was given',
      permission: 'group:write',
      query: z.object({ ...inOrganization, ...s.why }),
      returns: s.Group,
    },
    members: {
      method: 'GET',
      path: '/groups/:group/members',
      summary: 'List who belongs to a group directly',
      permission: 'group:read',
      query: OrganizationPage,
      returns: s.pageOf(s.Member),
    },
    add: {
      method: 'PUT',
      path: '/groups/:group/members',
      summary: 'Add a member; the same again changes nothing',
      permission: 'group:write',
      body: z.object({ ...inOrganization, member: s.PrincipalRef }),
      returns: s.Member,
    },
    drop: {
      method: 'DELETE',
      path: '/groups/:group/members',
      summary: 'Take a member out',
      permission: 'group:write',
      query: z.object({ ...inOrganization, ...s.why, member: s.PrincipalRef }),
      returns: s.Member,
    },
  },
  services: {
    list: {
      method: 'GET',
      path: '/services',
      summary: 'List services: programs that are no agents and may hold roles',
      permission: 'service:read',
      query: OrganizationPage,
      returns: s.pageOf(s.Service),
    },
    create: {
      method: 'POST',
      path: '/services',
      summary: 'Add a service',
      permission: 'service:write',
      idempotent: true,
      body: z.object({ ...inOrganization, name: s.Name, title: s.Label.default('') }),
      returns: s.Service,
    },
    update: {
      method: 'PATCH',
      path: '/services/:service',
      summary: 'Suspend or reinstate a service',
      permission: 'service:write',
      body: z.object({ ...inOrganization, status: z.enum(['active', 'suspended', 'retired']) }),
      returns: s.Service,
    },
  },
  grants: {
    list: {
      method: 'GET',
      path: '/grants',
      summary: 'List what people let agents do for them',
      permission: 'grant:read',
      query: OrganizationPage.extend({
        agent: s.Ref.optional(),
        person: s.Ref.optional(),
        /** A permission that it names. */
        scope: s.PermissionSlug.optional(),
        status: z.enum(['live', 'expired', 'revoked']).optional(),
        /** `never`: no token was ever issued under it. */
        used: z.enum(['never', 'ever']).optional(),
        /** Made before this time. */
        createdBefore: s.Time.optional(),
        /** No token was issued under it since this time. */
        idleSince: s.Time.optional(),
      }),
      returns: s.pageOf(s.Grant),
    },
    get: {
      method: 'GET',
      path: '/grants/:id',
      summary: 'Show what a person lets an agent do',
      permission: 'grant:read',
      query: z.object(inOrganization),
      returns: s.Grant,
    },
    create: {
      method: 'POST',
      path: '/grants',
      summary: 'Let an agent act for a person, by decision of an administrator',
      permission: 'grant:write',
      idempotent: true,
      body: z.object({
        ...inOrganization,
        agent: s.Ref,
        person: s.Ref,
        scopes: z.array(s.Scope).min(1).max(200),
        /** The whole organization where none is named. */
        resources: z.array(s.ResourceRef).max(200).default([]),
        expiresAt: Expiry,
      }),
      returns: s.Grant,
    },
    revoke: {
      method: 'DELETE',
      path: '/grants/:id',
      summary: 'End what an agent may do for a person',
      permission: 'grant:write',
      query: z.object({ ...inOrganization, reason: s.Text.default('') }),
      returns: s.Grant,
    },
    revokeAll: {
      method: 'POST',
      path: '/grants/revoke',
      summary: 'End every grant of an agent, of a person, or of one for the other',
      permission: 'grant:write',
      body: z.object({
        ...inOrganization,
        agent: s.Ref.optional(),
        person: s.Ref.optional(),
        reason: s.Text.default(''),
      }),
      returns: z.object({ revoked: z.array(z.string()) }),
    },
  },
} as const satisfies Api
