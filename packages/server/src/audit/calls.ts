import type { AdminApi, Output, Parsed } from '@valetkey/sdk/contract'
import { AppError, AttemptRecord, isoTime, type JsonObject, joinRecord } from '@valetkey/sdk/core'
import type { Store } from '../store/index.ts'
import { fromCursor, toCursor } from './cursor.ts'
import { callsMatching, resolveFilter } from './filter.ts'
import type { Ledger } from './ledger.ts'

type CallPage = Output<AdminApi['audit']['calls']>
export type RecordedCall = CallPage['items'][number]

interface CallRow {
  body: string
  data: string | null
  point: string
  receivedAt: number
  outcome: string | null
  durationMs: number | null
}

/**
 * A page of recorded calls, newest first. The pages of one question hold every call that was there when it was first
 * asked, once; calls that arrive meanwhile are among them where their time is still ahead.
 */
export async function findCalls(
  ledger: Ledger,
  store: Store,
  query: Parsed<AdminApi['audit']['calls']>,
): Promise<CallPage> {
  const after = fromCursor(store, 'calls', query)
  const filter = await resolveFilter(store.db, query)
  const rows = await selectCalls(ledger)
    .select(['auditCall.at', 'auditCall.seq'])
    .where(callsMatching(filter))
    .$if(after !== undefined, found =>
      found.where(eb =>
        eb(eb.refTuple('auditCall.at', 'auditCall.seq'), '<', eb.tuple(after?.at ?? 0, after?.seq ?? 0)),
      ),
    )
    .orderBy('auditCall.at', 'desc')
    .orderBy('auditCall.seq', 'desc')
    .limit(query.limit + 1)
    .execute()
  const shown = rows.slice(0, query.limit)
  const last = shown.at(-1)
  const more = rows.length > query.limit && last !== undefined
  return {
    items: shown.map(toCall),
    next: more ? toCursor(store, 'calls', query, last) : null,
  }
}

/** The record of one decision. */
export async function getCall(ledger: Ledger, id: string): Promise<RecordedCall> {
  const row = await selectCalls(ledger).where('auditCall.id', '=', id).executeTakeFirst()
  if (!row) throw new AppError('not_found', 'No call with this decision is on record.')
  return toCall(row)
}

function selectCalls(ledger: Ledger) {
  return ledger.db
    .selectFrom('auditCall')
    .leftJoin('auditOutcome', join =>
      // The outcome is the word of the point that made the decision and of no other.
      join.onRef('auditOutcome.id', '=', 'auditCall.id').onRef('auditOutcome.point', '=', 'auditCall.point'),
    )
    .select([
      'auditCall.body',
      'auditCall.data',
      'auditCall.point',
      'auditCall.receivedAt',
      'auditOutcome.outcome',
      'auditOutcome.durationMs',
    ])
}

function toCall(row: CallRow): RecordedCall {
  return {
    ...AttemptRecord.parse(
      joinRecord({ leaf: parse(row.body), data: row.data === null ? null : parse(row.data) }),
    ),
    point: row.point,
    receivedAt: isoTime(row.receivedAt),
    outcome: row.outcome,
    durationMs: row.durationMs,
  }
}

/** A text that was written as a JSON object. */
function parse(text: string): JsonObject {
  return JSON.parse(text) as JsonObject
}
