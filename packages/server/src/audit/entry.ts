import { AppError, type AttemptRecord, type CallRecord, type OutcomeRecord } from '@valetkey/sdk/core'

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
/** More calls than any point makes; keeps sums of what is missing exact. */
const MAX_COUNTER = 1e12
const MAX_TIME = Date.UTC(9999, 11, 31)

/** A text as a column can hold it: PostgreSQL takes neither NUL nor half a character. */
export function column(value: string, max = MAX_TEXT): string {
  return value.slice(0, max).toWellFormed().replaceAll('\0', '\uFFFD')
}
const optional = (value: string | null, max?: number) => (value === null ? null : column(value, max))

/** Turns the records of a shipment into rows; refuses those that cannot be numbered. */
export function toBatch(
  point: string,
  epoch: number,
  records: readonly CallRecord[],
  receivedAt: number,
): Batch {
  const entries = records.map(record => {
    const position = { epoch: record.epoch ?? epoch, counter: record.counter ?? 0 }
    if (position.counter < 1 || position.counter > MAX_COUNTER)
      throw new AppError('request.invalid', 'A record has no counter, or an impossible one.')
    if (position.epoch < 1 || position.epoch > epoch)
      throw new AppError(
        'request.invalid',
        'A record names a start of its enforcement point that has not been.',
      )
    if (!/^[\x21-\x7e]{1,200}$/.test(record.id))
      throw new AppError('request.invalid', 'A record has an unusable id.')
    const numbered = { ...record, ...position }
    const body = JSON.stringify(numbered)
    const { id, organization } = record
    return numbered.type === 'attempt'
      ? ({
          table: 'audit_call',
          id,
          organization: optional(organization),
          ...position,
          body,
          values: callValues(point, numbered, position, receivedAt, body),
          otherResources: othersOf(numbered),
        } as const)
      : ({
          table: 'audit_outcome',
          id,
          organization: optional(organization),
          ...position,
          body,
          values: outcomeValues(point, numbered, body),
          otherResources: [],
        } as const)
  })
  return { point, epoch, receivedAt, entries }
}

/** Each once, as its column holds it. */
function othersOf({ otherResources = [] }: AttemptRecord): string[] {
  return [...new Set(otherResources.map(resource => column(resource)))]
}

/** In the order of CALL_COLUMNS. */
function callValues(
  point: string,
  record: AttemptRecord,
  position: { epoch: number; counter: number },
  receivedAt: number,
  body: string,
): Value[] {
  const at = Date.parse(record.at)
  const passed = record.decision === 'permit' || !record.enforced
  const creators = record.decision === 'permit' ? record.assignments.map(({ createdBy }) => createdBy) : []
  return [
    record.id,
    point,
    position.epoch,
    position.counter,
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
    body,
  ]
}

/** In the order of OUTCOME_COLUMNS. */
function outcomeValues(point: string, record: OutcomeRecord, body: string): Value[] {
  return [record.id, point, record.outcome, record.durationMs, body]
}
