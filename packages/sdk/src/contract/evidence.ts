import * as z from 'zod'
import type { Api } from './route.ts'
import * as s from './shapes/index.ts'

/** Names a log: that of an organization, or one of the two that are no organization's. */
const InLog = z.object({
  organization: s.Ref.optional(),
  log: z.enum(['environment', 'heads']).optional(),
  /** Which of its generations, where it had to begin anew; the newest unless said otherwise. */
  generation: z.coerce.number().int().min(1).optional(),
})

const EvidenceLog = z.object({
  /** The organization, `environment` or `heads`. */
  name: z.string(),
  generation: z.number().int(),
  origin: z.string(),
  entries: z.number().int(),
  /** How many of them are signed. */
  signed: z.number().int(),
  /** How many of them a witness has seen. */
  cosigned: z.number().int(),
  /** The newest signed checkpoint (C2SP tlog-checkpoint). */
  checkpoint: z.string().nullable(),
  /** Its public keys, the present one first (C2SP signed-note). */
  keys: z.array(z.string()),
})

const RetentionRule = z.object({
  organization: z.string(),
  /** Calls with their outcomes, or recorded changes. */
  records: z.enum(['calls', 'changes']),
  /** Fewer would let records go that enforcement points are still sending. */
  days: z.number().int().min(7).max(36_500),
})

const LegalHold = z.object({
  id: z.string(),
  organization: z.string(),
  /** Whose records must stay; null where it is all of the organization's. */
  person: z.string().nullable(),
  reason: z.string(),
  createdAt: s.Time,
  createdBy: z.string(),
  releasedAt: s.Time.nullable(),
})

/** The logs that all records are in, and what proves them. */
export const evidence = {
  evidence: {
    logs: {
      method: 'GET',
      path: '/evidence/logs',
      summary: 'List the logs, their newest checkpoints and public keys',
      permission: 'audit:read',
      query: InLog.pick({ organization: true, log: true }),
      returns: z.object({
        items: z.array(EvidenceLog),
        /** What a witness or verifier is told to trust, for all logs of this environment: keys, and what was said of them. */
        trust: z.array(z.string()),
        witnesses: z.array(z.string()),
      }),
    },
    export: {
      method: 'POST',
      path: '/evidence/exports',
      summary: 'Export a log, or the records that a question finds, as a signed bundle that verifies offline',
      permission: 'audit:read',
      body: InLog.extend(s.CallQuery.omit({ limit: true, cursor: true, organization: true }).shape),
      streams: 'text/plain; charset=utf-8',
      returns: z.custom<ReadableStream<Uint8Array>>(),
    },
    receipt: {
      method: 'GET',
      path: '/evidence/receipts/:id',
      summary: 'Prove that one record is in its log (C2SP tlog-proof), by the id of its decision or change',
      permission: 'audit:read',
      returns: z.object({
        id: z.string(),
        origin: z.string(),
        index: z.number().int(),
        size: z.number().int(),
        receipt: z.string(),
      }),
    },
    erase: {
      method: 'POST',
      path: '/evidence/erasures',
      summary: 'Erase arguments and details of recorded calls and changes; the log stays as it is, and valid',
      permission: 'audit:write',
      body: z.object({
        organization: s.Ref.optional(),
        /** What was done for this person, and what was changed of them. */
        person: s.Ref.optional(),
        /** Calls that touched this resource, or what lay in it. */
        resource: z.string().min(1).max(400).optional(),
        /** One record, by the id of its decision or change. */
        record: z.string().min(1).max(200).optional(),
        reason: s.Text.min(1),
      }),
      returns: z.object({ erased: z.number().int(), ids: z.array(z.string()) }),
    },
    retention: {
      method: 'GET',
      path: '/evidence/retention',
      summary: 'How long records are kept; what is not named is kept for ever',
      permission: 'audit:read',
      query: z.object({ organization: s.Ref.optional() }),
      returns: z.object({ items: z.array(RetentionRule) }),
    },
    setRetention: {
      method: 'PUT',
      path: '/evidence/retention',
      summary: 'Say how long the records of an organization are kept; what goes stays proved by its hash',
      permission: 'audit:write',
      body: RetentionRule.extend({ organization: s.Ref, days: RetentionRule.shape.days.nullable() }),
      returns: RetentionRule.extend({ days: RetentionRule.shape.days.nullable() }),
    },
    holds: {
      method: 'GET',
      path: '/evidence/holds',
      summary: 'List legal holds, also those that were released',
      permission: 'audit:read',
      query: z.object({ organization: s.Ref.optional() }),
      returns: z.object({ items: z.array(LegalHold) }),
    },
    hold: {
      method: 'POST',
      path: '/evidence/holds',
      summary: 'Keep all records of an organization, or those about one person, until the hold is released',
      permission: 'audit:write',
      body: z.object({ organization: s.Ref, person: s.Ref.optional(), reason: s.Text.min(1) }),
      returns: LegalHold,
    },
    release: {
      method: 'POST',
      path: '/evidence/holds/:id/release',
      summary: 'Release a legal hold',
      permission: 'audit:write',
      body: z.object({ reason: s.Text.min(1) }),
      returns: LegalHold,
    },
    rotateKey: {
      method: 'POST',
      path: '/evidence/keys/rotate',
      summary:
        'Let a new key sign the logs; the one before vouches for it, and signs beside it until the next rotation',
      permission: 'signing_key:write',
      body: z.object({
        /** Somebody else may have keys of the logs: none from before signs any more, or vouches for anything. */
        compromised: z.boolean().optional(),
        reason: s.Text.min(1).optional(),
      }),
      returns: z.object({ trust: z.array(z.string()) }),
    },
  },
} as const satisfies Api
