import * as z from 'zod'
import type { Api } from './route.ts'
import * as s from './shapes/index.ts'

/** The keys that the authority signs tokens with. */
export const signingKeys = {
  signingKeys: {
    list: {
      method: 'GET',
      path: '/signing-keys',
      summary: 'List the keys that tokens are, were and will be signed with',
      permission: 'signing_key:read',
      returns: z.object({ items: z.array(s.SigningKey) }),
    },
    rotate: {
      method: 'POST',
      path: '/signing-keys/rotate',
      summary:
        'Let the next key sign, as soon as everybody knows it; the one before goes when its last token has ended',
      permission: 'signing_key:write',
      body: z.object({
        /** After ten seconds, in which all guards and gateways hear of it, but not everybody else who verifies tokens. */
        urgent: z.boolean().default(false),
      }),
      returns: s.SigningKey,
    },
    retire: {
      method: 'POST',
      path: '/signing-keys/:kid/retire',
      summary: 'Take a key away at once: every token that it has signed is refused',
      permission: 'signing_key:write',
      body: z.object({
        reason: s.Text.default(''),
        /** Milliseconds to wait for the enforcement points; 0 answers at once. */
        waitMs: z.number().int().min(0).max(60_000).default(0),
      }),
      returns: s.SigningKey.extend({ barrier: s.Barrier.nullable() }),
    },
  },
} as const satisfies Api
