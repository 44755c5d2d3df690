import * as z from 'zod'
import type { Api } from './route.ts'
import * as s from './shapes/index.ts'

/** Names an organization by id or slug; may be left out where the credential belongs to one. */
const inOrganization = { organization: s.Ref.optional() }
const OrganizationPage = s.Page.extend(inOrganization)
const Reason = z.object({ reason: s.Text.default('') })
const Expiry = z.iso.datetime().nullable().default(null)

/** Agents, what they prove themselves by, and where those that people authorize return to. */
export const agents = {
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
        /** For an agent that cannot do with less than it asks for: people give it all of that, or nothing. */
        allOrNothing: z.boolean().optional(),
        dpop: z.boolean().optional(),
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
        allOrNothing: z.boolean().optional(),
        dpop: z.boolean().optional(),
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
      summary: 'Let a suspended agent act again, with the reason on record',
      permission: 'agent:write',
      body: z.object({ ...inOrganization, reason: s.Note }),
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
        /** Takes requests of it only that it pushed beforehand (RFC 9126), so that nobody in between can change them. */
        mustPush: z.boolean().default(false),
      }),
      returns: z.object({
        clientId: z.string(),
        agent: z.string(),
        redirectUris: z.array(z.string()),
        isPublic: z.boolean(),
        mustPush: z.boolean(),
      }),
    },
  },
} as const satisfies Api
