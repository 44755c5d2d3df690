import { randomUUID } from 'node:crypto'
import { type JsonObject, joinRecord } from '@valetkey/sdk/core'
import type { Store, Tx } from '../../store/index.ts'
import { hashOf } from '../bundle.ts'
import type { Ledger, LogEntry } from '../ledger.ts'
import { type FollowedLog, keyOfLog } from './heads.ts'

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

const LEASE_MS = 30_000
/** How often a node asks that does not read. */
const ASK_AGAIN_MS = 5_000

/** `name`: the one log that it reads, in all its generations; without one, all of organizations and of the environment. */
export function createFollower(
  id: string,
  name: string | undefined,
  { store, ledger }: { store: Store; ledger: Pick<Ledger, 'entries'> },
): Follower {
  const holder = randomUUID()
  let positions = new Map<string, number>()
  /** On the monotonic clock: from then on the lease is asked for again. */
  let askAt = Number.NEGATIVE_INFINITY
  let isHeld = false
  let terms = 0

  async function take(): Promise<'not held' | 'held on' | 'taken over'> {
    return store.write(async tx => {
      const now = await store.clock(tx)
      // Locks the row, and tells whose it is.
      const before = await tx
        .updateTable('evidenceFollower')
        .set(eb => ({ holder: eb.ref('holder') }))
        .where('id', '=', id)
        .returning(['holder', 'leaseUntil'])
        .executeTakeFirst()
      if (!before) return 'not held'
      const isMine = before.holder === holder
      // A file has one process only: whoever held it before is gone.
      if (!isMine && store.dialect === 'postgres' && before.leaseUntil >= now) return 'not held'
      const values = { holder, leaseUntil: now + LEASE_MS }
      await tx.updateTable('evidenceFollower').set(values).where('id', '=', id).execute()
      return isMine ? 'held on' : 'taken over'
    })
  }

  async function loadPositions(): Promise<void> {
    const rows = await store.db
      .selectFrom('evidencePosition')
      .select(['log', 'position'])
      .where('followerId', '=', id)
      .execute()
    positions = new Map(rows.map(({ log, position }) => [log, position]))
  }

  return {
    async hold() {
      const asked = performance.now()
      if (asked < askAt) return isHeld
      const taken = await take()
      // Another node may have read and stopped in between, without this one noticing.
      const isNew = taken === 'taken over' || (taken === 'held on' && !isHeld)
      if (isNew) {
        await loadPositions()
        terms++
      }
      isHeld = taken !== 'not held'
      askAt = asked + (isHeld ? LEASE_MS / 2 : ASK_AGAIN_MS)
      return isHeld
    },
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
      try {
        await store.write(async tx => {
          await requireHeld(tx, id, holder)
          for (const { log, to } of moves) await savePosition(tx, id, keyOfLog(log), to)
          await work?.(tx)
        })
      } catch (error) {
        // Whatever it was, what is in the database counts.
        isHeld = false
        askAt = Number.NEGATIVE_INFINITY
        throw error
      }
      for (const { log, to } of moves) positions.set(keyOfLog(log), to)
    },
    async release() {
      if (!isHeld) return
      isHeld = false
      await store.write(tx =>
        tx
          .updateTable('evidenceFollower')
          .set({ leaseUntil: 0 })
          .where('id', '=', id)
          .where('holder', '=', holder)
          .execute(),
      )
    },
  }
}

/** Locks the row until the commit: nobody takes over between this and what is written with it. */
async function requireHeld(tx: Tx, id: string, holder: string): Promise<void> {
  const held = await tx
    .updateTable('evidenceFollower')
    .set({ holder })
    .where('id', '=', id)
    .where('holder', '=', holder)
    .returning('id')
    .executeTakeFirst()
  if (!held) throw new Error(`Another node follows the evidence as ${id} now.`)
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
