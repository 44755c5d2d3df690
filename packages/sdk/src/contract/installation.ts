import * as z from 'zod'
import type { Api } from './route.ts'
import * as s from './shapes/index.ts'

/** How the installation itself is. */
export const installation = {
  installation: {
    status: {
      method: 'GET',
      path: '/installation',
      summary: 'Say how the node that answers is: its clock, database, evidence and mail',
      permission: 'server:read',
      returns: z.object({
        /** The clock of the node. */
        now: s.Time,
        database: z.object({
          kind: z.enum(['sqlite', 'postgres']),
          answersInMs: z.number(),
          /** How far its clock is ahead of the node's. */
          aheadMs: z.number(),
        }),
        evidence: z.object({
          /** Recorded changes that wait to be moved into it. */
          outbox: z.number().int(),
          /** Records that enforcement points numbered and that have not arrived. */
          missing: z.number().int(),
          /** Records that came again with other content. */
          conflicts: z.number().int(),
        }),
        mail: z.object({ on: z.boolean() }),
      }),
    },
  },
} as const satisfies Api
