import * as z from 'zod'
import { Time } from './words.ts'

/** How an agent may do otherwise than before. */
export const AlertKind = z.enum([
  'new_tool',
  'new_resource_type',
  'unusual_hour',
  'burst',
  'refusal_streak',
  'dormant_awake',
])
const AlertKinds = z.array(AlertKind).max(6)
const between = (least: number, most: number) => z.number().int().min(least).max(most)

/** When an organization is told that an agent does otherwise than before, and whether the agent is suspended then. */
export const AlertPolicy = z.object({
  organization: z.string(),
  /** What it is told of. */
  kinds: AlertKinds,
  /** What suspends the agent at once; nothing unless said otherwise. */
  suspendOn: AlertKinds,
  /** How far back what is usual goes. */
  windowDays: between(7, 90),
  /** For so many days, or until so many calls, an agent's doings are learned and nothing of them is new. */
  learnDays: between(1, 30),
  learnCalls: between(100, 1_000_000),
  /** A burst is so many times the usual most within five minutes, and at least so many calls. */
  burstFactor: between(2, 100),
  burstCalls: between(10, 1_000_000),
  /** So many refusals in a row. */
  refusalStreak: between(5, 10_000),
  /** After so many days without a call. */
  dormantDays: between(7, 365),
})

/** An agent did otherwise than before. */
export const Alert = z.object({
  id: z.string(),
  organization: z.string(),
  agent: z.string(),
  kind: AlertKind,
  /** When the agent did it, and when that was found. */
  at: Time,
  raisedAt: Time,
  sentence: z.string(),
  what: z.array(z.string()),
  usual: z.string(),
  /** The decisions that it rests on; `valetkey why` shows each. */
  records: z.array(z.string()),
  /** Whether it suspended the agent; `failed` where that was not possible, as with an agent that is retired. */
  suspension: z.enum(['none', 'pending', 'done', 'failed']),
  acknowledgedAt: Time.nullable(),
  acknowledgedBy: z.string().nullable(),
  note: z.string().nullable(),
})
