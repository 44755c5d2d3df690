import type { AttemptRecord } from '@valetkey/sdk/core'
import type { CheckedRecord, CheckedShipment } from '@valetkey/sdk/evidence'

type Value = string | number | null

/** A record on its way into a table: what identifies it, the text it is kept as, and a value for every column. */
export interface Entry {
  table: 'audit_call' | 'audit_outcome'
  id: string
  organization: string | null
  epoch: number
  counter: number
  body: string
  values: Value[]
  /** What a call names beyond its first resource. */
  otherResources: readonly string[]
}

/** All of one shipment: `epoch` is the point's present start; entries may be left over from earlier ones. */
export interface Batch {
  point: string
  epoch: number
  receivedAt: number
  entries: Entry[]
}

/** Longest text of a column that is searched by; what is longer is whole in the body. Keeps B-tree entries legal. */
export const MAX_TEXT = 500
export const MAX_TOOL = 2000
const MAX_TIME = Date.UTC(9999, 11, 31)

/** A text as a column can hold it: PostgreSQL takes neither NUL nor half a character. */
export function column(value: string, max = MAX_TEXT): string {
  return value.slice(0, max).toWellFormed().replaceAll('\0', '\uFFFD')
}
const optional = (value: string | null, max?: number) => (value === null ? null : column(value, max))

/** Turns what a point ships into rows. */
export function toBatch(
  point: string,
  epoch: number,
  shipments: readonly CheckedShipment[],
  receivedAt: number,
): Batch {
  const entries = shipments.flatMap(({ records }) =>
    records.map(checked => toEntry(point, checked, receivedAt)),
  )
  return { point, epoch, receivedAt, entries }
}

function toEntry(point: string, checked: CheckedRecord, receivedAt: number): Entry {
  const { record, writer, leaf } = checked
  const { epoch, counter } = writer
  const common = { id: record.id, organization: optional(record.organization), epoch, counter, body: leaf }
  return record.type === 'attempt'
    ? {
        ...common,
        table: 'audit_call',
        values: callValues(point, record, checked, receivedAt),
        otherResources: othersOf(record),
      }
    : {
        ...common,
        table: 'audit_outcome',
        values: [record.id, point, record.outcome, record.durationMs, leaf],
        otherResources: [],
      }
}

/** Each once, as its column holds it. */
function othersOf({ otherResources = [] }: AttemptRecord): string[] {
  return [...new Set(otherResources.map(resource => column(resource)))]
}

/** In the order of CALL_COLUMNS. */
function callValues(
  point: string,
  record: AttemptRecord,
  { writer, leaf, data, key }: CheckedRecord,
  receivedAt: number,
): Value[] {
  const at = Date.parse(record.at)
  const passed = record.decision === 'permit' || !record.enforced
  const creators = record.decision === 'permit' ? record.assignments.map(({ createdBy }) => createdBy) : []
  return [
    record.id,
    point,
    writer.epoch,
    writer.counter,
    receivedAt,
    // A point whose clock tells no time is placed where its record arrived; the body holds what it said.
    Number.isNaN(at) ? receivedAt : Math.min(Math.max(at, 0), MAX_TIME),
    optional(record.organization),
    optional(record.agent),
    optional(record.agentName),
    optional(record.owner),
    optional(record.person),
    optional(record.grant),
    JSON.stringify(record.chain),
    column(record.server),
    optional(record.tool, MAX_TOOL),
    optional(record.resource),
    record.decision,
    column(record.reason),
    passed ? 1 : 0,
    JSON.stringify([...new Set(creators)].sort()),
    leaf,
    data,
    key,
  ]
}
