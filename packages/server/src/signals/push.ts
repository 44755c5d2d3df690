import { isoTime, type JsonObject } from '@valetkey/sdk/core'
import { record } from '../audit/index.ts'
import type { Store } from '../store/index.ts'
import type { SetKeys } from './keys.ts'
import { forget, type QueuedEvent, readQueue, type StreamRow } from './queue.ts'
import { authorizationPlace } from './streams.ts'

const TIMEOUT_MS = 5_000
/** So long a node has a stream for itself; twice as long as one attempt may take. */
const CLAIM_MS = 2 * TIMEOUT_MS + 5_000
const A_TIME = 50
const FIRST_PAUSE_MS = 1_000
const LONGEST_PAUSE_MS = 5 * 60_000
const MOST_ANSWER_BYTES = 16 * 1024

export interface PushParts {
  store: Store
  keys: SetKeys
  now(): number
}

/** What a receiver made of an event that was pushed to it (RFC 8935 sections 2.2 and 2.3). */
type Verdict = { is: 'taken' } | { is: 'refused'; err: string } | { is: 'unanswered'; why: string }

/** Refusals of one event alone: sent again, it would be refused again. Others are about how we introduce ourselves. */
const FOR_GOOD = new Set(['invalid_request', 'invalid_key', 'invalid_issuer', 'invalid_audience'])

/** Streams that have something to push now. */
export async function findPushable({ store, now }: PushParts): Promise<string[]> {
  const rows = await store.db
    .selectFrom('signalStream')
    .select('id')
    .where('delivery', '=', 'push')
    .where('nextTryAt', '<=', now())
    .where('claimedUntil', '<=', await store.clock(store.db))
    .where(eb =>
      eb.exists(
        eb
          .selectFrom('signalEvent')
          .select('signalEvent.id')
          .whereRef('signalEvent.streamId', '=', 'signalStream.id')
          .where(or => or.or([or('signalStream.status', '=', 'enabled'), or('isControl', '=', 1)])),
      ),
    )
    .execute()
  return rows.map(({ id }) => id)
}

/**
 * Pushes what waits in a stream, one event after the other, for as long as the receiver takes them. One node at a time does; where
 * it dies in between, the next one sends the last event again, under the same `jti`.
 */
export async function pushStream(parts: PushParts, id: string, signal: AbortSignal): Promise<void> {
  const { store } = parts
  const claimed = await claim(store, id)
  if (!claimed) return
  let { stream, until } = claimed
  try {
    for (let queue = await readQueue(store.db, stream, A_TIME); queue.length > 0; ) {
      for (const event of queue) {
        if (signal.aborted) return
        const verdict = await send(parts, stream, event, signal)
        if (verdict.is === 'unanswered') return void (await rest(parts, stream, verdict.why))
        const next = await done(parts, { stream, event, verdict, until })
        if (!next) return
        until = next
      }
      const again = await store.db
        .selectFrom('signalStream')
        .selectAll()
        .where('id', '=', id)
        .executeTakeFirst()
      if (!again) return
      stream = again
      queue = await readQueue(store.db, stream, A_TIME)
    }
  } finally {
    await store.write(tx =>
      tx
        .updateTable('signalStream')
        .set({ claimedUntil: 0 })
        .where('id', '=', id)
        .where('claimedUntil', '=', until)
        .execute(),
    )
  }
}

async function claim(store: Store, id: string): Promise<{ stream: StreamRow; until: number } | undefined> {
  return store.write(async tx => {
    const clock = await store.clock(tx)
    const until = clock + CLAIM_MS
    const stream = await tx
      .updateTable('signalStream')
      .set({ claimedUntil: until })
      .where('id', '=', id)
      .where('delivery', '=', 'push')
      .where('claimedUntil', '<=', clock)
      .returningAll()
      .executeTakeFirst()
    return stream && { stream, until }
  })
}

async function send(
  { store, keys }: PushParts,
  { id, endpoint, sealedAuthorization }: StreamRow,
  event: QueuedEvent,
  stop: AbortSignal,
): Promise<Verdict> {
  const headers: Record<string, string> = {
    'content-type': 'application/secevent+jwt',
    accept: 'application/json',
    ...(sealedAuthorization !== null && {
      authorization: store.secrets.open(sealedAuthorization, authorizationPlace(id)),
    }),
  }
  const body = await keys.sign(JSON.parse(event.body) as JsonObject)
  try {
    const response = await fetch(endpoint ?? '', {
      ...{ method: 'POST', headers, body, redirect: 'manual' },
      signal: AbortSignal.any([stop, AbortSignal.timeout(TIMEOUT_MS)]),
    })
    if (response.status === 202 || response.status === 200) {
      await response.body?.cancel()
      return { is: 'taken' }
    }
    const err = response.status === 400 ? await readRefusal(response) : undefined
    if (err !== undefined && FOR_GOOD.has(err)) return { is: 'refused', err }
    await response.body?.cancel()
    return { is: 'unanswered', why: err ?? `status ${response.status}` }
  } catch {
    return { is: 'unanswered', why: stop.aborted ? 'stopped' : 'no answer' }
  }
}

/** The `err` of an answer, as far as it can be one; what else a receiver says is not kept. */
async function readRefusal(response: Response): Promise<string | undefined> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of response.body ?? []) {
    size += chunk.length
    if (size > MOST_ANSWER_BYTES) return undefined
    chunks.push(chunk)
  }
  try {
    const { err } = JSON.parse(Buffer.concat(chunks).toString('utf8')) as { err?: unknown }
    return typeof err === 'string' && /^[a-z_]{1,40}$/.test(err) ? err : undefined
  } catch {
    return undefined
  }
}

/** Forgets an event that the receiver has, or will never take; undefined where another node has the stream by now. */
async function done(
  { store, now }: PushParts,
  {
    stream,
    event,
    verdict,
    until,
  }: { stream: StreamRow; event: QueuedEvent; verdict: Verdict; until: number },
): Promise<number | undefined> {
  return store.write(async tx => {
    const next = (await store.clock(tx)) + CLAIM_MS
    const values = {
      ...{ claimedUntil: next, failures: 0, nextTryAt: 0 },
      ...(verdict.is === 'taken'
        ? { lastDeliveredAt: isoTime(now()), lastFault: null }
        : { lastFault: verdict.is === 'refused' ? verdict.err : null }),
    }
    const own = await tx
      .updateTable('signalStream')
      .set(values)
      .where('id', '=', stream.id)
      .where('claimedUntil', '=', until)
      .returning('id')
      .executeTakeFirst()
    if (!own) return undefined
    await forget(tx, stream.id, [event.id])
    if (verdict.is === 'refused') {
      const about = { organization: stream.organizationId, type: 'signal_event.refused', actor: 'system' }
      const detail = { event: event.id, err: verdict.err }
      await record(tx, { ...about, target: stream.receiverId, detail }, now())
    }
    return next
  })
}

/** Waits longer after each attempt that came to nothing; what waits is kept. */
async function rest({ store, now }: PushParts, { id, failures }: StreamRow, why: string): Promise<void> {
  if (why === 'stopped') return
  const pauseMs = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(failures, 20))
  await store.write(tx =>
    tx
      .updateTable('signalStream')
      .set({ failures: failures + 1, nextTryAt: now() + pauseMs, lastFault: why })
      .where('id', '=', id)
      .execute(),
  )
}
