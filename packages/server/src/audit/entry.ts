import {
  type AttemptRecord,
  canonicalJson,
  type JsonObject,
  newId,
  type OutcomeRecord,
  partRecord,
  type Verdict,
  type Writer,
} from '@valetkey/sdk/core'
import {
  type CheckedRecord,
  type CheckedShipment,
  commitTo,
  leafHash,
  newCommitmentKey,
} from '@valetkey/sdk/evidence'
import type { ChangeEvent } from './record.ts'
import { keyOf } from './record-key.ts'
import { stepsOf, type Terms } from './terms.ts'

/** What kind of record it is, as a column holds it. */
export const KIND = { attempt: 0, outcome: 1, event: 2, shipment: 3, heads: 4 } as const
export type Kind = (typeof KIND)[keyof typeof KIND]

export const VERDICTS = ['permit', 'deny', 'needs_approval'] as const satisfies Verdict[]

/** The logs that are no organization's: what concerns the catalogue and the environment, and the heads of all others. */
export const ENVIRONMENT_LOG = 'environment'
export const HEADS_LOG = 'heads'

/** The columns that hold a name by its number. `actor` did `action` to `target`: an agent a tool of a server, or who changed what. */
export const NAMED = [
  'actor',
  'actor_name',
  'owner',
  'credential',
  'person',
  'grant_id',
  'chain',
  'target',
  'action',
  'reason',
  'carriers',
  'point',
] as const
export type Named = (typeof NAMED)[number]
export type Names = { [Column in Named]?: string | null }

/** A record on its way into the evidence: the entry of a log, and a copy of what is searched by. */
export interface Entry {
  log: string
  kind: Kind
  id: string
  /** By this it is found (`RecordKey`). */
  key: Buffer
  /** Its id tells no time near its own, so it is looked up by a list of such ids. */
  isOdd: boolean
  at: number
  leaf: string
  /** What the log knows it by. */
  hash: Buffer
  data: string | null
  dataKey: string | null
  names: Names
  verdict: number | null
  /** 1 where the call went through: permitted, or denied in audit mode. */
  passed: number | null
  /** Microseconds that a call took. */
  took: number | null
  terms: number[]
}

/** An entry that a point numbered. */
export interface NumberedEntry extends Entry {
  writer: Writer
}

/** Records under one signature of a point. */
export interface Delivery {
  terms: CheckedShipment['terms']
  signature: string
  entries: NumberedEntry[]
}

/** All that a point sent at once: `epoch` is its present start; deliveries may be left over from earlier ones. */
export interface Batch {
  point: string
  epoch: number
  receivedAt: number
  deliveries: Delivery[]
}

/** Longest text that can be searched by; what is longer is whole in the record. */
export const LONGEST_NAME = 2000
const MOST_PLACES = 60_000
const HOUR_MS = 3_600_000
const LATEST_MS = 60_000
/** Longer than any outage: what lies further back is a clock that is off. */
const OLDEST_MS = 400 * 24 * HOUR_MS

/** A text as a column can hold it: PostgreSQL takes neither NUL nor half a character. */
export function column(value: string, max = LONGEST_NAME): string {
  return value.slice(0, max).toWellFormed().replaceAll('\0', '\uFFFD')
}

export function toBatch(
  from: { point: string; epoch: number; receivedAt: number },
  shipments: readonly CheckedShipment[],
  terms: Terms,
): Batch {
  const deliveries = shipments.map(({ terms: signed, signature, records }) => ({
    terms: signed,
    signature,
    entries: records.map(record => toEntry(record, from.receivedAt, terms)),
  }))
  return { ...from, deliveries }
}

function toEntry(checked: CheckedRecord, receivedAt: number, terms: Terms): NumberedEntry {
  const { record, writer, leaf, hash, data, key } = checked
  const common = {
    ...placed(record, receivedAt),
    ...{ writer, hash, leaf, data, dataKey: key },
    log: record.organization ?? ENVIRONMENT_LOG,
  }
  return record.type === 'attempt'
    ? { ...common, ...attemptColumns(record, writer, terms) }
    : { ...common, ...outcomeColumns(record, writer) }
}

/**
 * When a record is looked for. A point whose clock is off by years, or tells no time, is placed where its record arrived;
 * the record holds what it said.
 */
function placed({ id, at }: { id: string; at: string }, receivedAt: number) {
  const said = Date.parse(at)
  const isOff = !(said <= receivedAt + LATEST_MS && said >= receivedAt - OLDEST_MS)
  const place = isOff ? receivedAt : said
  const { bytes, at: inId } = keyOf(id)
  return { id, at: place, key: bytes, isOdd: inId === null || Math.abs(inId - place) > HOUR_MS }
}

function attemptColumns(record: AttemptRecord, writer: Writer, terms: Terms) {
  const { agent, agentName, owner, credential, person, grant, chain, server, tool, method } = record
  const { decision, reason } = record
  const passed = decision === 'permit' || !record.enforced
  const creators = decision === 'permit' ? record.assignments.map(({ createdBy }) => createdBy) : []
  const resources = [record.resource, ...(record.otherResources ?? [])].filter(path => path !== null)
  const steps = new Set(resources.flatMap(stepsOf))
  return {
    kind: KIND.attempt,
    names: {
      ...{ actor: agent, actor_name: agentName, owner, credential, person, grant_id: grant },
      ...{ target: server, reason },
      chain: listName(chain),
      action: tool ?? method,
      carriers: listName([...new Set(creators)].sort()),
      point: writer.point,
    },
    verdict: VERDICTS.indexOf(decision),
    passed: passed ? 1 : 0,
    took: null,
    terms: [
      ...[...steps].map(step => terms('resource', step)),
      ...new Set(chain.filter(member => member !== agent).map(member => terms('chain', member))),
    ],
  }
}

/** A list as a name; of one that is too long the beginning. */
function listName(ids: readonly string[]): string {
  for (let length = ids.length; ; length--) {
    const text = JSON.stringify(length === ids.length ? ids : [...ids.slice(0, length), '…'])
    if (text.length <= LONGEST_NAME || length === 0) return text
  }
}

function outcomeColumns({ outcome, durationMs }: OutcomeRecord, { point }: Writer) {
  return {
    kind: KIND.outcome,
    names: { reason: outcome, point },
    ...{ verdict: null, passed: null, terms: [] },
    took: Math.round(Math.min(Math.max(durationMs, 0), 1e9) * 1000),
  }
}

/** A recorded change as an entry. What it says of people and things lies beside the log, as with calls. */
export function eventEntry(event: ChangeEvent & { id: string; at: string }): Entry {
  const { id, at, organization, type, actor, target, detail = {}, trace } = event
  const record = { v: 1, type, id, at, organization, actor, target, detail, trace }
  const { leaf, data } = partRecord(record)
  const sealed = data === null ? { leaf, data: null, dataKey: null } : commit(leaf, data)
  return {
    ...placed({ id, at }, Date.parse(at)),
    ...sealed,
    ...leafOf(sealed.leaf),
    log: organization ?? ENVIRONMENT_LOG,
    kind: KIND.event,
    names: { actor, target, action: type },
    ...{ verdict: null, passed: null, took: null, terms: [] },
  }
}

/** What the log holds of a record: its canonical text, and the hash of that. */
export function leafOf(record: JsonObject): { leaf: string; hash: Buffer } {
  const leaf = canonicalJson(record)
  return { leaf, hash: leafHash(leaf) }
}

function commit(leaf: JsonObject, data: JsonObject) {
  const text = canonicalJson(data)
  const dataKey = newCommitmentKey()
  return { leaf: { ...leaf, commitment: commitTo(text, dataKey) }, data: text, dataKey }
}

/** Where a record of a shipment is in its log, or what it would be known by: for what is there no more, or was refused. */
export type Place = number | string

/**
 * The shipment itself as an entry of the log, so that the log alone proves what the point vouched for. Places that follow
 * each other are written as one: `[first, count]`.
 */
export function shipmentEntry(delivery: Delivery, places: readonly Place[], receivedAt: number): Entry {
  const { terms, signature } = delivery
  const { point, organization, epoch, first, last, count, digest } = terms
  const id = newId('shipment', receivedAt)
  const at = new Date(receivedAt).toISOString()
  const record = { v: 1, type: 'shipment', id, at, point, epoch, first, last, count, digest, signature }
  const leaf: JsonObject = { ...record, ...(organization !== null && { organization }) }
  const runs = runsOf(places)
  // Never in an honest point's life: then its word cannot be checked by this entry, which is said by having no places.
  if (JSON.stringify(runs).length < MOST_PLACES) leaf['places'] = runs
  return {
    ...placed({ id, at }, receivedAt),
    ...{ ...leafOf(leaf), data: null, dataKey: null },
    log: organization ?? ENVIRONMENT_LOG,
    kind: KIND.shipment,
    names: { point },
    ...{ verdict: null, passed: null, took: null, terms: [] },
  }
}

/** Places that follow each other as one: `[first, count]`. */
export function runsOf(places: readonly Place[]): (string | [number, number])[] {
  const runs: (string | [number, number])[] = []
  for (const place of places) {
    const last = runs.at(-1)
    if (typeof place === 'string') runs.push(place)
    else if (Array.isArray(last) && last[0] + last[1] === place) last[1]++
    else runs.push([place, 1])
  }
  return runs
}
