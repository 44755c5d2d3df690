import { isoTime, type JsonObject } from '@valetkey/sdk/core'
import * as z from 'zod'
import { record } from '../audit/index.ts'
import type { Db, Store } from '../store/index.ts'
import type { SetKeys } from './keys.ts'
import { forget, readQueue, type StreamRow } from './queue.ts'

const Jti = z.string().max(200)
/** A polling request (RFC 8936 section 2.2). */
export const PollRequest = z.object({
  maxEvents: z.number().int().min(0).optional(),
  returnImmediately: z.boolean().default(false),
  ack: z.array(Jti).max(10_000).default([]),
  setErrs: z
    .record(Jti, z.object({ err: z.string().max(100), description: z.string().optional() }))
    .default({}),
})
export type PollRequest = z.output<typeof PollRequest>

const MOST_EVENTS = 100
/** Well within the half minute after which proxies give an idle request up. */
const LONGEST_WAIT_MS = 20_000

export interface PollParts {
  store: Store
  keys: SetKeys
  now(): number
  /** Resolves when there may be more, or after so many milliseconds; false where the node stops. */
  sleep(ms: number): Promise<boolean>
}

/** Polls of one stream that may wait at once on one node; more are answered with what there is. */
const MOST_WAITING_POLLS = 4
/** Events that another node has made are found by then. */
const LOOK_EVERY_MS = 1_000

/** Answers polls of a stream: whoever asks for it waits until there is something. */
export type Polls = (
  stream: StreamRow,
  request: PollRequest,
) => Promise<{ sets: Record<string, string>; moreAvailable: boolean }>

/**
 * An answer to a poll forgets what the receiver says that it has, and gives what waits. What is not acknowledged is given
 * again, so that an answer that is lost loses nothing.
 */
export function createPolls(parts: PollParts): Polls {
  const { store, keys, sleep } = parts
  const waiting = new Map<string, number>()

  /** Waits for events of a stream; false where it is not to wait any longer. */
  async function waitOnce(stream: string, ms: number): Promise<boolean> {
    const before = waiting.get(stream) ?? 0
    if (before >= MOST_WAITING_POLLS) return false
    waiting.set(stream, before + 1)
    try {
      return await sleep(ms)
    } finally {
      const left = (waiting.get(stream) ?? 1) - 1
      if (left === 0) waiting.delete(stream)
      else waiting.set(stream, left)
    }
  }

  return async (stream, request) => {
    await acknowledge(parts, stream, request)
    const limit = Math.min(request.maxEvents ?? MOST_EVENTS, MOST_EVENTS)
    if (limit === 0) return { sets: {}, moreAvailable: false }
    const until = performance.now() + LONGEST_WAIT_MS
    let queue = await readQueue(store.db, stream, limit + 1)
    while (queue.length === 0 && !request.returnImmediately && performance.now() < until) {
      if (!(await waitOnce(stream.id, Math.min(LOOK_EVERY_MS, until - performance.now())))) break
      const current = await findStreamById(store.db, stream.id)
      if (current?.delivery !== 'poll') break
      queue = await readQueue(store.db, current, limit + 1)
    }
    const given = queue.slice(0, limit)
    const sets = await Promise.all(
      given.map(async ({ id, body }) => [id, await keys.sign(JSON.parse(body) as JsonObject)] as const),
    )
    return { sets: Object.fromEntries(sets), moreAvailable: queue.length > limit }
  }
}

function findStreamById(db: Db, id: string): Promise<StreamRow | undefined> {
  return db.selectFrom('signalStream').selectAll().where('id', '=', id).executeTakeFirst()
}

/** What a receiver refuses is forgotten too, on record: it has seen it. */
async function acknowledge(
  { store, now }: PollParts,
  stream: StreamRow,
  { ack, setErrs }: PollRequest,
): Promise<void> {
  const refused = Object.entries(setErrs)
  const ids = [...new Set([...ack, ...refused.map(([jti]) => jti)])]
  if (ids.length === 0) return
  await store.write(async tx => {
    const count = await forget(tx, stream.id, ids)
    if (count === 0) return
    const values = { lastDeliveredAt: isoTime(now()), lastFault: refused[0]?.[1].err.slice(0, 40) ?? null }
    await tx.updateTable('signalStream').set(values).where('id', '=', stream.id).execute()
    if (refused.length === 0) return
    const about = { organization: stream.organizationId, type: 'signal_event.refused', actor: 'system' }
    const detail = { events: refused.slice(0, 100).map(([event, { err }]) => ({ event, err })) }
    await record(tx, { ...about, target: stream.receiverId, detail }, now())
  })
}
