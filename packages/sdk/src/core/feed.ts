import * as z from 'zod'
import { ActionKind, Change } from './facts.ts'
import type { JsonObject } from './json.ts'

/**
 * What an enforcement point and the authority say to each other, under `/feed` of the issuer. The point registers with
 * its server key and a proof of its own key, and from then on carries the session of this start. A later start of the
 * same key ends the session of the earlier one (`point.fenced`).
 */

/** `POST /feed/register`, `Authorization: Bearer <server key>`. */
export const RegisterRequest = z.object({
  kind: z.enum(['guard', 'gateway']),
  version: z.string().max(50),
  /** The highest start number that the point remembers: the next is higher, even if the authority lost its data. */
  lastEpoch: z.number().int().nonnegative().default(0),
  publicJwk: z.record(z.string(), z.json()),
  /** Where the authority encrypts the upstream credential to (ECDH-ES); gateways only. */
  sealingJwk: z.record(z.string(), z.json()).nullable(),
  /** JWT by the point's key: `aud` the issuer, `iat` now, `jti`, and `skh`, the SHA-256 of the server key. */
  proof: z.string(),
})
export type RegisterRequest = z.infer<typeof RegisterRequest>

export const RegisterResponse = z.object({
  point: z.string(),
  /** Counts the starts of this point; records are numbered from 1 within it. */
  epoch: z.number().int(),
  session: z.string(),
  issuer: z.string(),
  server: z.object({ id: z.string(), name: z.string(), url: z.string() }),
  /** By which credentials that are not ours are told apart in records; the same at every point of the server. */
  fingerprintKey: z.string(),
})
export type RegisterResponse = z.infer<typeof RegisterResponse>

/** `GET /feed/snapshot?organization=catalogue|org_…` gives all facts as the change from nothing; the point holds it from then on. */
export const SnapshotResponse = Change

/**
 * `GET /feed/changes?from=catalogue.12,org_….5`: server-sent events in revision order. `change` carries a Change,
 * `reset` names an organization whose history is gone, so that its snapshot must be loaded anew. Every event's id is
 * the whole position, in the form of `from`.
 */
export const ResetEvent = z.object({ organization: z.string() })

/** `POST /feed/lease`: says what is applied, asks to go on deciding. */
export const LeaseRequest = z.object({
  /** By organization: no decision older than this revision can still be released here. */
  applied: z.record(z.string(), z.number().int()),
  /** Organizations that are no longer held. */
  dropped: z.array(z.string()).default([]),
})
export type LeaseRequest = z.infer<typeof LeaseRequest>

/**
 * The lease holds from when the request was sent, and only once every head is applied: also that of an organization
 * whose snapshot is still on its way, so that one that was read before the lease and arrives after it is loaded anew.
 */
export const LeaseResponse = z.object({
  leaseMs: z.number(),
  dangerousLeaseMs: z.number(),
  heads: z.record(z.string(), z.number().int()),
})
export type LeaseResponse = z.infer<typeof LeaseResponse>

const JsonMembers = z.custom<JsonObject>(
  value => typeof value === 'object' && value !== null && !Array.isArray(value),
  'This is no JSON object.',
)

/**
 * A record in its two parts (`partRecord`), and the key of the commitment to the second. That one is text, since names in it
 * are callers' own: V8 (Node 24 and 26) now and then reads one with an escape in it as another that it has seen before.
 */
export const ShippedRecord = z.object({
  leaf: JsonMembers,
  data: z.string().nullable().default(null),
  key: z.string().max(64).nullable().default(null),
})
export type ShippedRecord = z.infer<typeof ShippedRecord>

/** Records of one organization and one start, in the order of their counters, under the signature of the point's key. */
export const Shipment = z.object({
  organization: z.string().nullable(),
  epoch: z.number().int(),
  records: z.array(ShippedRecord).min(1).max(5000),
  signature: z.string().max(200),
})
export type Shipment = z.infer<typeof Shipment>

/** What the signature of a shipment stands under: which records these are, and the SHA-256 of their leaf hashes. */
export interface ShipmentTerms {
  point: string
  epoch: number
  organization: string | null
  first: number
  last: number
  count: number
  digest: string
}

/** The text that is signed. */
export function shipmentText(terms: ShipmentTerms): string {
  const { point, epoch, organization, first, last, count, digest } = terms
  const lines = ['valetkey shipment 1', point, epoch, organization ?? '-', `${first}-${last}`, count, digest]
  return `${lines.join('\n')}\n`
}

/** `POST /feed/records`: at least once; a record that is known already is ignored. */
export const RecordsRequest = z.object({ shipments: z.array(Shipment).max(5000) })
export const RecordsResponse = z.object({ accepted: z.number().int() })

/** `POST /feed/definitions`: what the server offers, as its lists say now. */
export const DefinitionsRequest = z.object({
  definitions: z
    .array(
      z.object({
        kind: ActionKind,
        name: z.string().max(1024),
        definition: z.string().nullable(),
        description: z.string().max(20_000).nullable(),
        inputSchema: z.record(z.string(), z.json()).nullable(),
        annotations: z.record(z.string(), z.json()).nullable(),
      }),
    )
    .max(5000),
})
export type DefinitionsRequest = z.infer<typeof DefinitionsRequest>

/** `GET /feed/upstream-credential`: a compact JWE to the gateway's sealing key, or null where none is stored. */
export const UpstreamCredentialResponse = z.object({ jwe: z.string().nullable() })
/** What is inside. */
export const UpstreamCredential = z.object({ header: z.string(), value: z.string() })
export type UpstreamCredential = z.infer<typeof UpstreamCredential>
