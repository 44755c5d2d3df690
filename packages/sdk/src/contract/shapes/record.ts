import * as z from 'zod'
import { AttemptRecord, Carrier, Mode, Revision, Verdict } from '../../core/index.ts'
import { Page, Time } from './words.ts'

export const Explanation = z.object({
  id: z.string(),
  decision: Verdict,
  reason: z.string(),
  sentence: z.string(),
  mode: Mode,
  permission: z.string().nullable(),
  resource: z.string().nullable(),
  assignments: z.array(Carrier),
  revision: Revision,
  legs: z.array(
    z.object({
      leg: z.string(),
      result: z.enum(['passed', 'failed', 'not_reached']),
      detail: z.string().nullable(),
    }),
  ),
})
/** A recorded call: the attempt, and the outcome where one followed. */
export const RecordedCall = AttemptRecord.extend({
  point: z.string(),
  receivedAt: Time,
  outcome: z.string().nullable(),
  durationMs: z.number().nullable(),
})
/** A recorded change: who did what to what. */
export const RecordedChange = z.object({
  id: z.string(),
  at: Time,
  organization: z.string().nullable(),
  type: z.string(),
  actor: z.string(),
  target: z.string(),
  detail: z.record(z.string(), z.json()),
})
export const CallQuery = Page.extend({
  organization: z.string().optional(),
  agent: z.string().optional(),
  person: z.string().optional(),
  owner: z.string().optional(),
  server: z.string().optional(),
  tool: z.string().optional(),
  /** A resource path: it and all below it. */
  resource: z.string().optional(),
  verdict: z.enum(['permit', 'deny', 'needs_approval']).optional(),
  reason: z.string().optional(),
  since: Time.optional(),
  until: Time.optional(),
})
export const WhoRow = z.object({
  agent: z.string().nullable(),
  agentName: z.string().nullable(),
  owner: z.string().nullable(),
  person: z.string().nullable(),
  authorizedBy: z.array(z.string()),
  grant: z.string().nullable(),
  via: z.array(z.string()),
  permitted: z.number().int(),
  refused: z.number().int(),
  first: Time,
  last: Time,
})
