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
        /** What a witness or verifier is told to trust, for all logs of this environment. */
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
    rotateKey: {
      method: 'POST',
      path: '/evidence/keys/rotate',
      summary: 'Let a new key sign the logs; the one before signs beside it until the next rotation',
      permission: 'signing_key:write',
      body: z.object({}),
      returns: z.object({ trust: z.array(z.string()) }),
    },
  },
} as const satisfies Api
