import type { AttemptRecord } from '@valetkey/sdk/core'
import { isoTime } from '@valetkey/sdk/core'
import type { FollowedLog, Follower, Move } from '../audit/index.ts'
import type { Store } from '../store/index.ts'
import { type Exported, isSpan, isTaken, type Takes, toExported } from './format/index.ts'
import type { Delivery, Transport } from './transport/index.ts'

const MOST_AT_ONCE = 256
/** So many records that a sink does not take are passed over before that is noted. */
const MOST_PASSED_OVER = 8192
const LONGEST_WAIT_MS = 5 * 60_000

/** Sends what one sink waits for, in the order of each log, and keeps how far it got. */
export interface Sender {
  /** Sends until nothing is left or something fails. Never throws; one round at a time. */
  wake(heads: readonly FollowedLog[]): void
  /** Ends after what is under way. */
  close(): Promise<void>
}

export interface SenderParts {
  id: string
  takes: readonly Takes[]
  /** Only what makes a span is sent, and an outcome needs its attempt. */
  isSpans: boolean
  store: Store
  follower: Follower
  send: Transport
  /** The attempt of a decision; undefined where it is not on record. */
  findCall(decision: string): Promise<AttemptRecord | undefined>
  now(): number
  onFault(fault: unknown): void
  sent?(records: number): void
}

/** What is read next: records that the sink takes, and how far that goes. */
interface Load {
  records: Exported[]
  moves: Move[]
}

export function createSender(parts: SenderParts): Sender {
  const { follower, now, onFault } = parts
  let running: Promise<void> | undefined
  let isClosed = false
  let most = MOST_AT_ONCE
  let failures = 0
  let retryAt = 0

  async function run(heads: readonly FollowedLog[]): Promise<void> {
    if (now() < retryAt || !(await follower.hold())) return
    while (!isClosed) {
      if (!(await follower.hold())) return
      const load = await readLoad(parts, follower.logs(heads), most)
      if (load.moves.length === 0) return
      const sent = load.records.length === 0 ? DONE : await parts.send(load.records)
      if (!sent.ok) return failed(sent)
      await follower.advance(load.moves, tx => noteSent(tx, parts.id, load.records.length, sent, now()))
      parts.sent?.(load.records.length)
      failures = 0
      most = Math.min(MOST_AT_ONCE, most * 2)
    }
  }

  async function failed(sent: Exclude<Delivery, { ok: true }>): Promise<void> {
    // A receiver that takes no more than this gets less.
    if (sent.isTooLarge) most = Math.max(1, Math.floor(most / 2))
    const wait = sent.isTooLarge && most > 1 ? 0 : waitAfter(failures++)
    retryAt = now() + Math.max(wait, sent.retryAfterMs ?? 0)
    await noteFailed(parts, sent.reason, { failures, retryAt })
  }

  return {
    wake(heads) {
      if (running || isClosed) return
      running = run(heads)
        .catch(async fault => {
          onFault(fault)
          retryAt = now() + waitAfter(failures++)
          // Where it is the database that is away, nobody can see it there either.
          await noteFailed(parts, BROKEN, { failures, retryAt }).catch(() => undefined)
        })
        .finally(() => {
          running = undefined
        })
    },
    async close() {
      isClosed = true
      await running
      await follower.release().catch(onFault)
    },
  }
}

const DONE: Delivery = { ok: true }
const BROKEN = 'Something failed here; the log of the node that sends has it.'

/** One second, then twice as long each time, up to five minutes; not all senders at the same moment. */
function waitAfter(failures: number): number {
  return Math.min(LONGEST_WAIT_MS, 1000 * 2 ** Math.min(failures, 20)) * (0.8 + 0.4 * Math.random())
}

async function readLoad(parts: SenderParts, logs: readonly FollowedLog[], most: number): Promise<Load> {
  const { follower, takes, isSpans } = parts
  const load: Load = { records: [], moves: [] }
  let passed = 0
  for (const log of logs) {
    let at = log.position
    while (at < log.entries && load.records.length < most && passed < MOST_PASSED_OVER) {
      const room = most - load.records.length
      const found = await follower.read(log, at, room)
      at = Math.min(log.entries, at + room)
      passed += room
      const exported = found.flatMap(record => toExported(record) ?? []).filter(each => isTaken(each, takes))
      const whole = await withCalls(exported, load.records, parts)
      load.records.push(...(isSpans ? whole.filter(isSpan) : whole))
    }
    if (at > log.position) load.moves.push({ log, to: at })
  }
  return load
}

/** Outcomes with the attempts that they end: most follow them closely, the others are looked up. */
async function withCalls(
  records: readonly Exported[],
  before: readonly Exported[],
  { findCall }: SenderParts,
): Promise<Exported[]> {
  const calls = new Map<string, AttemptRecord>()
  for (const record of [...before, ...records])
    if (record.kind === 'call') calls.set(record.call.id, record.call)
  const whole: Exported[] = []
  for (const record of records) {
    if (record.kind !== 'outcome') whole.push(record)
    else {
      const { id } = record.outcome
      whole.push({ ...record, call: calls.get(id) ?? (await findCall(id)) ?? null })
    }
  }
  return whole
}

async function noteSent(
  tx: Parameters<NonNullable<Parameters<Follower['advance']>[1]>>[0],
  id: string,
  count: number,
  sent: Delivery,
  now: number,
): Promise<void> {
  if (count === 0) return
  await tx
    .updateTable('sink')
    .set(eb => ({
      sent: eb('sent', '+', count),
      lastSentAt: isoTime(now),
      failingSince: null,
      failures: 0,
      lastError: (sent.ok && sent.note) || null,
      retryAt: 0,
    }))
    .where('id', '=', id)
    .execute()
}

async function noteFailed(
  { store, id, now }: SenderParts,
  reason: string,
  { failures, retryAt }: { failures: number; retryAt: number },
): Promise<void> {
  await store.write(tx =>
    tx
      .updateTable('sink')
      .set(eb => ({
        failingSince: eb.fn.coalesce('failingSince', eb.val(isoTime(now()))),
        ...{ failures, lastError: reason, retryAt: Math.round(retryAt) },
      }))
      .where('id', '=', id)
      .execute(),
  )
}
