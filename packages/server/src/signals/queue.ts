import { type JsonObject, newId } from '@valetkey/sdk/core'
import type { Row } from '../directory/index.ts'
import type { Db, Tx } from '../store/index.ts'
import type { SignalEvent } from './event.ts'

export type StreamRow = Row<'signalStream'>
export type QueuedEvent = Pick<Row<'signalEvent'>, 'id' | 'body' | 'sequence'>

/** What events of a stream say of whom they come from and for whom they are. */
export interface Envelope {
  issuer: string
  audience: string
  now: number
  /** About the stream itself: goes out whatever its status is. */
  isControl?: boolean
}

/** Adds events to what waits for a receiver, in order, in the transaction of whoever calls. */
export async function enqueue(
  tx: Tx,
  { id: streamId }: Pick<StreamRow, 'id'>,
  events: readonly SignalEvent[],
  { issuer, audience, now, isControl = false }: Envelope,
): Promise<void> {
  if (events.length === 0) return
  const { sequence } = await tx
    .updateTable('signalStream')
    .set(eb => ({ sequence: eb('sequence', '+', events.length) }))
    .where('id', '=', streamId)
    .returning('sequence')
    .executeTakeFirstOrThrow()
  const rows = events.map(({ type, subject, payload, txn }, i) => {
    const id = newId('signalEvent', now)
    const claims: JsonObject = {
      ...{ iss: issuer, jti: id, iat: Math.floor(now / 1000), aud: audience },
      ...(txn !== undefined && { txn }),
      ...{ sub_id: subject, events: { [type]: payload } },
    }
    const body = JSON.stringify(claims)
    return { id, streamId, sequence: sequence - events.length + 1 + i, isControl: isControl ? 1 : 0, body }
  })
  for (let at = 0; at < rows.length; at += 100)
    await tx
      .insertInto('signalEvent')
      .values(rows.slice(at, at + 100))
      .execute()
}

/** What a receiver is to have next, the oldest first: while the stream is not enabled, only what is about the stream itself. */
export function readQueue(
  db: Db,
  stream: Pick<StreamRow, 'id' | 'status'>,
  limit: number,
): Promise<QueuedEvent[]> {
  let query = db
    .selectFrom('signalEvent')
    .select(['id', 'body', 'sequence'])
    .where('streamId', '=', stream.id)
  if (stream.status !== 'enabled') query = query.where('isControl', '=', 1)
  return query.orderBy('sequence').limit(limit).execute()
}

/** Forgets what a receiver has, and says how many there were of it. */
export async function forget(tx: Tx, streamId: string, ids: readonly string[]): Promise<number> {
  let count = 0
  for (let at = 0; at < ids.length; at += 500) {
    const { numDeletedRows } = await tx
      .deleteFrom('signalEvent')
      .where('streamId', '=', streamId)
      .where('id', 'in', ids.slice(at, at + 500))
      .executeTakeFirstOrThrow()
    count += Number(numDeletedRows)
  }
  return count
}
