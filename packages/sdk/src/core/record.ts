import * as z from 'zod'
import { ActionKind, Mode } from './facts.ts'

/** Why a call was refused, and what the caller may do about it. One row is one stable code. */
export const REASONS = {
  permitted: { retry: 'never' },
  frozen: { retry: 'never' },
  suspended: { retry: 'never' },
  revoked: { retry: 'never' },
  tool_unmapped: { retry: 'never' },
  tool_changed: { retry: 'never' },
  arguments_invalid: { retry: 'corrected' },
  scope_missing: { retry: 'never' },
  agent_ceiling: { retry: 'never' },
  resource_unknown: { retry: 'corrected' },
  delegation_expired: { retry: 'never' },
  delegation_scope: { retry: 'never' },
  delegation_resource: { retry: 'corrected' },
  delegation_arguments: { retry: 'corrected' },
  agent_lacks_permission: { retry: 'never' },
  user_lacks_permission: { retry: 'never' },
  grant_resource: { retry: 'never' },
  grant_tool: { retry: 'never' },
  condition_failed: { retry: 'corrected' },
  stale: { retry: 'later' },
  audit_unavailable: { retry: 'later' },
  unidentified: { retry: 'never' },
  token_missing: { retry: 'never' },
  token_invalid: { retry: 'never' },
} as const satisfies Record<string, { retry: 'never' | 'corrected' | 'later' }>

export type Reason = keyof typeof REASONS

export const Verdict = z.enum(['permit', 'deny', 'needs_approval'])
export type Verdict = z.infer<typeof Verdict>

export const Revision = z.object({ catalogue: z.number().int(), organization: z.number().int() })
export type Revision = z.infer<typeof Revision>

/** An assignment that carried a decision: who gave which role. */
export const Carrier = z.object({ id: z.string(), role: z.string(), createdBy: z.string() })
export type Carrier = z.infer<typeof Carrier>

/**
 * Where a record comes from. An enforcement point counts its records 1, 2, 3 … within each start, and names beside it
 * the number before of the same organization: so each tenant can see by its own records alone that none is missing.
 */
export const Writer = z.object({
  point: z.string(),
  epoch: z.number().int(),
  counter: z.number().int(),
  previous: z.number().int(),
})
export type Writer = z.infer<typeof Writer>

const text = z.string().nullable().default(null)

/**
 * What an enforcement point records of a call. `attempt` is durable before the call is released, `outcome` follows it
 * and names the same decision. Arguments are redacted by rule; a credential is never in a record. A member without a
 * value may be left out.
 */
export const AttemptRecord = z.object({
  v: z.literal(1),
  type: z.literal('attempt'),
  id: z.string(),
  at: z.string(),
  organization: text,
  agent: text,
  agentName: text,
  credential: text,
  client: text,
  owner: text,
  person: text,
  grant: text,
  chain: z.array(z.string()).default([]),
  /** The servers that handed the call on to this one, the first one first, by which of their keys, and the tokens that they had for it. */
  forwarded: z.array(z.object({ server: z.string(), key: z.string(), token: z.string() })).optional(),
  token: text,
  /** What the token allowed, as an upper bound. */
  scopes: z.array(z.string()).default([]),
  server: z.string(),
  method: z.string(),
  kind: ActionKind.nullable().default(null),
  tool: text,
  definition: text,
  permission: text,
  arguments: z.json().default(null),
  /** Path in the tree at that time, as `customer/acme/invoice/INV-1`; of several resources the first. */
  resource: text,
  /** The others that one call names. */
  otherResources: z.array(z.string()).optional(),
  decision: Verdict,
  reason: z.string(),
  detail: text,
  /** The legs that were walked, each with a plus where it passed and a minus where it failed; none where none was. */
  legs: text,
  /** What was done: in audit mode a denied call passes. */
  enforced: z.boolean(),
  mode: Mode,
  assignments: z.array(Carrier).default([]),
  revision: Revision,
  trace: text,
  writer: Writer.optional(),
})
export type AttemptRecord = z.infer<typeof AttemptRecord>

export const OutcomeRecord = z.object({
  v: z.literal(1),
  type: z.literal('outcome'),
  /** The decision that this is the outcome of. */
  id: z.string(),
  at: z.string(),
  organization: text,
  /** `superseded`: the policy changed before the call was released, and it was decided again under another id. */
  outcome: z.enum([
    'ok',
    'tool_error',
    'protocol_error',
    'upstream_error',
    'cancelled',
    'revoked',
    'superseded',
  ]),
  durationMs: z.number(),
  writer: Writer.optional(),
})
export type OutcomeRecord = z.infer<typeof OutcomeRecord>

export const CallRecord = z.discriminatedUnion('type', [AttemptRecord, OutcomeRecord])
export type CallRecord = z.infer<typeof CallRecord>
