import type { AdminApi, Output } from '@valetkey/sdk/contract'
import { AppError, AttemptRecord, isoTime, type JsonObject, joinRecord } from '@valetkey/sdk/core'
import type { Store } from '../../store/index.ts'
import { fromCursor, toCursor } from '../cursor.ts'
import { KIND } from '../entry.ts'
import type { Ledger } from '../ledger.ts'
import { type CallQuery, readQuestion, toAsked } from './asked.ts'
import { resolveCalls } from './resolve.ts'
import type { FoundRecord } from './rows.ts'

type CallPage = Output<AdminApi['audit']['calls']>
export type RecordedCall = CallPage['items'][number]

/**
 * A page of recorded calls, newest first. The pages of one question hold every call that was there when it was first
 * asked, once; calls that arrive meanwhile are among them where their time is still ahead. A page that says how far it
 * looked back may hold less than was asked for: the next goes on from there.
 */
export async function findCalls(
  ledger: Ledger,
  store: Store,
  query: CallQuery & { limit: number; cursor?: string | undefined },
  now: number,
): Promise<CallPage> {
  const after = fromCursor(store, 'calls', query)
  // "2h" is said once, with the first page.
  const askedAt = after?.askedAt ?? now
  const question = readQuestion(query, askedAt)
  const filter = await resolveCalls(store.db, question)
  const { rows, next, lookedBackTo } = await ledger.ask({ filter, limit: query.limit, after })
  return {
    items: rows.flatMap(row => toCall(row) ?? []),
    next: next && toCursor(store, 'calls', query, { ...next, askedAt }),
    asked: toAsked(question),
    lookedBackTo: lookedBackTo === null ? null : isoTime(lookedBackTo),
  }
}

/** The record of one decision: what came first under its id. */
export async function getCall(ledger: Ledger, id: string): Promise<RecordedCall> {
  const attempt = (await ledger.lookUp(id)).find(({ kind }) => kind === KIND.attempt)
  const call = attempt && toCall(attempt)
  if (!call) throw new AppError('not_found', 'No call with this decision is on record.')
  return call
}

/** Undefined where the record itself was pruned and only its hash is left. */
function toCall(found: FoundRecord): RecordedCall | undefined {
  const { entry, data, point, receivedAt, outcome } = found
  if (!('leaf' in entry)) return undefined
  const leaf = JSON.parse(entry.leaf) as JsonObject
  const parsed = AttemptRecord.parse(
    joinRecord({ leaf, data: data === null ? null : (JSON.parse(data.data) as JsonObject) }),
  )
  return {
    ...parsed,
    point: point ?? '',
    receivedAt: isoTime(receivedAt),
    outcome: outcome?.name ?? null,
    durationMs: outcome === null ? null : outcome.took / 1000,
    isErased: data === null && leaf['commitment'] !== undefined,
    index: found.index,
  }
}
