import * as z from 'zod'
import type { Api } from './route.ts'
import * as s from './shapes/index.ts'

const Expiry = z.iso.datetime().nullable().default(null)

/** Who calls the admin API, and by which tokens. */
export const session = {
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
      query: z.object(s.why),
      returns: s.ApiToken,
    },
  },
} as const satisfies Api
