import * as z from 'zod'
import { Mode } from '../core/index.ts'
import type { Api } from './route.ts'
import * as s from './shapes/index.ts'

/** Names an organization by id or slug; may be left out where the credential belongs to one. */
const inOrganization = { organization: s.Ref.optional() }

/** When the mode `observe` ends, at most 30 days from now: it does not begin without an end. */
const observeUntil = z.iso.datetime().optional()

/** MCP servers, the rules for their tools, and the points that enforce them. */
export const servers = {
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
      body: z.object({ name: s.Name, url: z.url(), mode: Mode.default('enforce'), observeUntil }),
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
        observeUntil,
        status: z.enum(['active', 'frozen']).optional(),
        /** Why; who lets a server be called again has to say it. */
        reason: s.Note.optional(),
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
      query: z.object(s.why),
      returns: s.ServerKey,
    },
  },
  forwards: {
    list: {
      method: 'GET',
      path: '/servers/:server/forwards',
      summary: 'List which other servers a server may call for those who call it',
      permission: 'server:read',
      query: s.Page,
      returns: s.pageOf(s.Forward),
    },
    allow: {
      method: 'PUT',
      path: '/servers/:server/forwards/:to',
      summary: 'Let a server call another one for those who call it, with no more than they may there',
      permission: 'server:write',
      returns: s.Forward,
    },
    disallow: {
      method: 'DELETE',
      path: '/servers/:server/forwards/:to',
      summary: 'End that a server may call another one, and all that it calls there now',
      permission: 'server:write',
      query: z.object({ reason: s.Text.default('') }),
      returns: s.Forward,
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
      query: z.object(s.why),
      returns: s.Tool,
    },
  },
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
} as const satisfies Api
