import * as z from 'zod'
import { Mode, Risk } from '../core/index.ts'
import { access } from './access.ts'
import { people } from './people.ts'
import { resources } from './resources.ts'
import type { Api } from './route.ts'
import * as s from './shapes.ts'

/** Names an organization by id or slug; may be left out where the credential belongs to one. */
const inOrganization = { organization: s.Ref.optional() }
const OrganizationPage = s.Page.extend(inOrganization)
const Reason = z.object({ reason: s.Text.default('') })
const Expiry = z.iso.datetime().nullable().default(null)

/** The admin API. Ids may be written as ids or, within an organization, as names. */
export const api = {
  session: {
    bootstrap: {
      method: 'POST',
      path: '/bootstrap',
      summary: 'Trade the one-time bootstrap code for the first API token',
      permission: 'bootstrap:claim',
      body: z.object({ name: s.Name.default('first-admin') }),
      returns: z.object({ token: z.string(), apiToken: s.ApiToken }),
    },
    whoami: {
      method: 'GET',
      path: '/whoami',
      summary: 'Who this credential is and what it may do',
      permission: 'self:read',
      returns: z.object({
        id: z.string(),
        name: z.string(),
        permissions: z.array(z.string()),
        dev: z.boolean(),
        issuer: z.string(),
      }),
    },
  },
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
      summary: 'Let calls in an organization be decided again',
      permission: 'organization:write',
      body: Reason,
      returns: s.Organization,
    },
  },
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
      }),
      returns: s.Person,
    },
  },
  agents: {
    list: {
      method: 'GET',
      path: '/agents',
      summary: 'List agents',
      permission: 'agent:read',
      query: OrganizationPage,
      returns: s.pageOf(s.Agent),
    },
    get: {
      method: 'GET',
      path: '/agents/:id',
      summary: 'Show an agent',
      permission: 'agent:read',
      query: z.object(inOrganization),
      returns: s.Agent,
    },
    create: {
      method: 'POST',
      path: '/agents',
      summary: 'Register an agent',
      permission: 'agent:write',
      idempotent: true,
      body: z.object({
        ...inOrganization,
        name: s.Name,
        owner: s.Ref,
        purpose: s.Text.default(''),
        kind: z.enum(['autonomous', 'user_authorized', 'both']).default('autonomous'),
        ceiling: z.array(s.Scope).max(200),
      }),
      returns: s.Agent,
    },
    update: {
      method: 'PATCH',
      path: '/agents/:id',
      summary: 'Change an agent',
      permission: 'agent:write',
      body: z.object({
        ...inOrganization,
        owner: s.Ref.optional(),
        purpose: s.Text.optional(),
        kind: z.enum(['autonomous', 'user_authorized', 'both']).optional(),
        ceiling: z.array(s.Scope).max(200).optional(),
      }),
      returns: s.Agent,
    },
    suspend: {
      method: 'POST',
      path: '/agents/:id/suspend',
      summary: 'Stop an agent at once',
      permission: 'agent:write',
      body: Reason.extend(inOrganization),
      returns: s.Agent,
    },
    resume: {
      method: 'POST',
      path: '/agents/:id/resume',
      summary: 'Let a suspended agent act again',
      permission: 'agent:write',
      body: Reason.extend(inOrganization),
      returns: s.Agent,
    },
  },
  credentials: {
    list: {
      method: 'GET',
      path: '/agents/:agent/credentials',
      summary: "List an agent's credentials",
      permission: 'credential:read',
      query: OrganizationPage,
      returns: s.pageOf(s.Credential),
    },
    create: {
      method: 'POST',
      path: '/agents/:agent/credentials',
      summary: 'Give an agent a key (its public part) or, opt-in, a secret that is shown once',
      permission: 'credential:write',
      idempotent: true,
      body: z.object({
        ...inOrganization,
        kind: z.enum(['key', 'secret']).default('key'),
        publicKey: s.PublicJwk.optional(),
        label: s.Label.default(''),
        expiresAt: Expiry,
        /** For clients that still name the token endpoint as audience of their assertions (RFC 7523 before its update). */
        legacyAudience: z.boolean().default(false),
      }),
      returns: s.Credential.extend({ secret: z.string().nullable() }),
    },
  },
  servers: {
    list: {
      method: 'GET',
      path: '/servers',
      summary: 'List MCP servers',
      permission: 'server:read',
      query: s.Page,
      returns: s.pageOf(s.McpServer),
    },
    get: {
      method: 'GET',
      path: '/servers/:id',
      summary: 'Show an MCP server',
      permission: 'server:read',
      returns: s.McpServer,
    },
    create: {
      method: 'POST',
      path: '/servers',
      summary: 'Register an MCP server by its public URL',
      permission: 'server:write',
      idempotent: true,
      body: z.object({ name: s.Name, url: z.url(), mode: Mode.default('enforce') }),
      returns: s.McpServer,
    },
    update: {
      method: 'PATCH',
      path: '/servers/:id',
      summary: 'Change, freeze or thaw an MCP server',
      permission: 'server:write',
      body: z.object({
        url: z.url().optional(),
        mode: Mode.optional(),
        status: z.enum(['active', 'frozen']).optional(),
      }),
      returns: s.McpServer,
    },
    definitions: {
      method: 'GET',
      path: '/servers/:id/definitions',
      summary: 'What the server offers, as last seen',
      permission: 'server:read',
      returns: z.object({ items: z.array(s.SeenDefinition) }),
    },
    setUpstreamCredential: {
      method: 'PUT',
      path: '/servers/:id/upstream-credential',
      summary: 'Store the header that the gateway adds towards the server; no agent ever sees it',
      permission: 'server:write',
      body: z.object({
        header: z
          .string()
          .regex(/^[A-Za-z0-9-]{1,64}$/)
          .default('authorization'),
        value: z
          .string()
          .max(8192)
          .regex(/^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/, 'Write the value as one line of plain ASCII.'),
      }),
      returns: s.McpServer,
    },
  },
  serverKeys: {
    list: {
      method: 'GET',
      path: '/servers/:server/keys',
      summary: 'List the keys of the guards and gateways of a server',
      permission: 'server:read',
      query: s.Page,
      returns: s.pageOf(s.ServerKey),
    },
    create: {
      method: 'POST',
      path: '/servers/:server/keys',
      summary: 'Make a key for guards and gateways of a server; it is shown once',
      permission: 'server:write',
      idempotent: true,
      body: z.object({ label: s.Label.default('') }),
      returns: s.ServerKey.extend({ key: z.string().nullable() }),
    },
    revoke: {
      method: 'DELETE',
      path: '/servers/:server/keys/:id',
      summary: 'Shut out the guards and gateways that use a key',
      permission: 'server:write',
      returns: s.ServerKey,
    },
  },
  tools: {
    list: {
      method: 'GET',
      path: '/servers/:server/tools',
      summary: 'List the tool map of a server',
      permission: 'tool:read',
      query: s.Page,
      returns: s.pageOf(s.Tool),
    },
    map: {
      method: 'PUT',
      path: '/servers/:server/tools',
      summary: 'Map a tool (or resource, prompt, method) to a permission; everything unmapped is refused',
      permission: 'tool:write',
      body: s.ToolRule,
      returns: s.Tool,
    },
    unmap: {
      method: 'DELETE',
      path: '/servers/:server/tools/:id',
      summary: 'Remove a rule: the tool is refused from then on',
      permission: 'tool:write',
      returns: s.Tool,
    },
  },
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
      }),
      returns: z.object({ removed: z.number().int() }),
    },
    remove: {
      method: 'DELETE',
      path: '/assignments/:id',
      summary: 'Take a role away',
      permission: 'assignment:write',
      query: z.object(inOrganization),
      returns: s.Assignment,
    },
  },
  ...resources,
  ...access,
  ...people,
  points: {
    list: {
      method: 'GET',
      path: '/enforcement-points',
      summary: 'List guards and gateways, their leases and record counters',
      permission: 'server:read',
      query: s.Page,
      returns: s.pageOf(s.EnforcementPoint),
    },
    wait: {
      method: 'POST',
      path: '/enforcement-points/wait',
      summary: 'Wait until every guard and gateway decides on a revision or a later one',
      permission: 'server:read',
      body: z.object({
        ...inOrganization,
        /** As a write answered it; the newest revision of all where none is given. */
        revision: s.RevisionRef.optional(),
        waitMs: z.number().int().min(1).max(60_000).default(10_000),
      }),
      returns: s.Barrier,
    },
  },
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
  decisions: {
    check: {
      method: 'POST',
      path: '/check',
      summary: 'What would be decided, and why; nothing is called or recorded as a call',
      permission: 'decision:read',
      body: z.object({
        ...inOrganization,
        agent: s.Ref,
        /** Acting for this person, by the grant that stands between the two. */
        person: s.Ref.optional(),
        server: s.Ref,
        kind: z.enum(['tool', 'resource', 'prompt', 'method']).default('tool'),
        name: z.string().min(1).max(1024),
        arguments: z.record(z.string(), z.json()).default({}),
        scopes: z.array(s.Scope).optional(),
        at: z.iso.datetime().optional(),
      }),
      returns: s.Explanation,
    },
    get: {
      method: 'GET',
      path: '/decisions/:id',
      summary: 'A decision that was made, with its record',
      permission: 'audit:read',
      returns: s.RecordedCall.extend({ sentence: z.string() }),
    },
  },
  audit: {
    calls: {
      method: 'GET',
      path: '/audit/calls',
      summary: 'Find recorded calls',
      permission: 'audit:read',
      query: s.CallQuery,
      returns: s.pageOf(s.RecordedCall),
    },
    who: {
      method: 'GET',
      path: '/audit/who',
      summary: 'Which agents touched a resource or server, and who authorized them',
      permission: 'audit:read',
      query: s.CallQuery.omit({ limit: true, cursor: true }),
      returns: z.object({ sentence: z.string(), rows: z.array(s.WhoRow) }),
    },
    changes: {
      method: 'GET',
      path: '/audit/changes',
      summary: 'Find recorded changes',
      permission: 'audit:read',
      query: OrganizationPage.extend({
        type: z.string().optional(),
        actor: z.string().optional(),
        target: z.string().optional(),
        since: z.iso.datetime().optional(),
        until: z.iso.datetime().optional(),
      }),
      returns: s.pageOf(s.RecordedChange),
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
  apiTokens: {
    list: {
      method: 'GET',
      path: '/api-tokens',
      summary: 'List API tokens',
      permission: 'api_token:read',
      query: s.Page,
      returns: s.pageOf(s.ApiToken),
    },
    create: {
      method: 'POST',
      path: '/api-tokens',
      summary: 'Make an API token that carries no more than yours; it is shown once',
      permission: 'api_token:write',
      idempotent: true,
      body: z.object({
        name: s.Name,
        permissions: z
          .array(z.string().regex(/^([a-z_]+:(read|write)|\*)$/))
          .min(1)
          .max(50),
        expiresAt: Expiry,
      }),
      returns: s.ApiToken.extend({ token: z.string().nullable() }),
    },
    revoke: {
      method: 'DELETE',
      path: '/api-tokens/:id',
      summary: 'Revoke an API token',
      permission: 'api_token:write',
      returns: s.ApiToken,
    },
  },
} as const satisfies Api

export type AdminApi = typeof api
