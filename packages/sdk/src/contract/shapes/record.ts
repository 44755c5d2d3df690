import * as z from 'zod'
import { AttemptRecord, Carrier, Mode, Revision, Verdict } from '../../core/index.ts'
import { Page, Time } from './words.ts'

export const Explanation = z.object({
  id: z.string(),
  decision: Verdict,
  reason: z.string(),
  /** What exactly was missing. */
  detail: z.string().nullable(),
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
  /** What was asked and why it was refused is gone: a person had a right to that. The record itself is still proved. */
  isErased: z.boolean(),
  /** Its place in the log of its organization. */
  index: z.number().int(),
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
  /** The trace that the request belonged to. */
  trace: z.string().nullable().default(null),
})
/** A question about recorded calls. The members beside `q` are for programs: what is in one of them is not in `q`. */
export const CallQuery = Page.extend({
  /** As people write it: `resource:customer/acme agent:support-bot verdict:denied since:tuesday`. */
  q: z.string().max(4000).optional(),
  /** IANA name of the time zone that days in `q` are days of, and that answers are written in. */
  zone: z.string().max(64).default('UTC'),
  organization: z.string().optional(),
  agent: z.string().optional(),
  person: z.string().optional(),
  owner: z.string().optional(),
  /** The credential by which the agent proved itself. */
  credential: z.string().optional(),
  server: z.string().optional(),
  tool: z.string().optional(),
  /** A resource, as `customer/acme`: it, and all that lay in it at that time. */
  resource: z.string().optional(),
  grant: z.string().optional(),
  /** An agent that let the calling one act, or a delegation. */
  chain: z.string().optional(),
  /** Words that occur in the arguments. */
  text: z.string().min(2).max(200).optional(),
  verdict: z.enum(['permit', 'deny', 'needs_approval']).optional(),
  reason: z.string().optional(),
  point: z.string().optional(),
  since: Time.optional(),
  until: Time.optional(),
})
/** The question as it was understood, with the times of its zone. */
export const Asked = z.object({
  q: z.string(),
  zone: z.string(),
  since: z.iso.datetime({ offset: true }).nullable(),
  until: z.iso.datetime({ offset: true }).nullable(),
})
/** Where set, the search was broken off: only what came after this was looked through. */
export const LookedBackTo = Time.nullable()
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
/** Calls that have something in common, counted. */
export const CallCount = z.object({
  /** By each thing that was asked for: its id, or null where the calls have none. */
  by: z.record(z.string(), z.string().nullable()),
  /** Where a histogram was asked for: when its minute, hour or day begins. */
  from: z.iso.datetime({ offset: true }).nullable(),
  permitted: z.number().int(),
  refused: z.number().int(),
  /** Of the permitted: those that passed only because of audit mode. */
  unenforced: z.number().int(),
  first: Time,
  last: Time,
})
