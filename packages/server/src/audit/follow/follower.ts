import { type JsonObject, joinRecord } from '@valetkey/sdk/core'
import type { Store, Tx } from '../../store/index.ts'
import { hashOf } from '../bundle.ts'
import type { Ledger, LogEntry } from '../ledger.ts'
import { type FollowedLog, keyOfLog } from './heads.ts'
import { createLease } from './lease.ts'

/** A record at its place in a log. */
export interface LoggedRecord {
  /** What the log is named. */
  origin: string
  organization: string | null
  index: number
  /** By which the log knows it. */
  hash: Buffer
  /** As it was written, without what has been erased of it since. */
  record: JsonObject
}

/** How far a log was read. */
export interface Move {
  log: FollowedLog
  to: number
}

/**
 * Reads logs to their end and goes on from there, on one node at a time. How far it has read is kept with what it made
 * of that, in one transaction: so a killed node leaves nothing out, and its successor begins where that ended.
 */
export interface Follower {
  /** Whether it is this node that reads. A node that stopped without a word is waited for as long as its lease lasts. */
  hold(): Promise<boolean>
  /** Counts how often this node began to read: with each time, what it knew from before counts no more. */
  term(): number
  /** Of these logs the ones that it reads, with how far it has read them. */
  logs(heads: readonly FollowedLog[]): FollowedLog[]
  /** Records from a place on, at most so many; of those that were pruned there is nothing to read. */
  read(log: FollowedLog, from: number, count: number): Promise<LoggedRecord[]>
  /** Notes how far was read, together with what `work` writes. Fails, and writes nothing, where another node reads now. */
  advance(moves: readonly Move[], work?: (tx: Tx) => Promise<void>): Promise<void>
  /** Lets another node go on at once. */
  release(): Promise<void>
}

/** `name`: the one log that it reads, in all its generations; without one, all of organizations and of the environment. */
export function createFollower(
  id: string,
  name: string | undefined,
  { store, ledger }: { store: Store; ledger: Pick<Ledger, 'entries'> },
): Follower {
  const lease = createLease(store, id)
  let positions = new Map<string, number>()
  let terms = 0
  return {
    hold: () =>
      lease.hold(async () => {
        positions = await loadPositions(store, id)
        terms++
      }),
    term: () => terms,
    logs: heads =>
      heads
        .filter(log => name === undefined || log.name === name)
        .map(log => ({ ...log, position: positions.get(keyOfLog(log)) ?? 0 })),
    async read(log, from, count) {
      const to = Math.min(log.entries, from + count)
      const entries = await ledger.entries(log.id, from, to)
      return entries.flatMap((entry, i) => toLogged(log, from + i, entry) ?? [])
    },
    async advance(moves, work) {
      await lease.write(async tx => {
        for (const { log, to } of moves) await savePosition(tx, id, keyOfLog(log), to)
        await work?.(tx)
      })
      for (const { log, to } of moves) positions.set(keyOfLog(log), to)
    },
    release: lease.release,
  }
}

async function loadPositions(store: Store, followerId: string): Promise<Map<string, number>> {
  const rows = await store.db
    .selectFrom('evidencePosition')
    .select(['log', 'position'])
    .where('followerId', '=', followerId)
    .execute()
  return new Map(rows.map(({ log, position }) => [log, position]))
}

async function savePosition(tx: Tx, followerId: string, log: string, position: number): Promise<void> {
  await tx
    .insertInto('evidencePosition')
    .values({ followerId, log, position })
    .onConflict(conflict => conflict.columns(['followerId', 'log']).doUpdateSet({ position }))
    .execute()
}

function toLogged(log: FollowedLog, index: number, { entry, data }: LogEntry): LoggedRecord | undefined {
  if (!('leaf' in entry)) return undefined
  const leaf = JSON.parse(entry.leaf) as JsonObject
  const record = joinRecord({ leaf, data: data === null ? null : (JSON.parse(data.data) as JsonObject) })
  const { origin, organization } = log
  return { origin, organization, index, hash: hashOf(entry), record }
}
