import { isId, isoTime } from '@valetkey/sdk/core'
import { type ChangeEvent, recordAll } from '../audit/index.ts'
import type { Store, Tx } from '../store/index.ts'
import type { Log } from './log.ts'

/**
 * Writes what token requests leave behind. All that queued while the last commit ran goes into the next one, so that a
 * burst of tokens costs a few commits, not one each; and nothing is answered before its commit is on the disk.
 */
export interface Journal {
  /** Whether this id is seen for the first time, on any node; it stays known until the time (ms) has passed. */
  useOnce(id: string, expiresAt: number): Promise<boolean>
  /** Resolves once the event is durable. */
  record(event: ChangeEvent): Promise<void>
  /** Notes when and from where a credential was used, at most once a minute each and without a revision. */
  used(credential: string, address: string): void
  /** Notes that an agent got a token under a grant, at most once a minute each and without a revision. */
  acted(grant: string): void
  /** Writes what is queued. */
  close(): Promise<void>
}

interface Use {
  id: string
  expiresAt: number
  settle: PromiseWithResolvers<boolean>
}
interface Entry {
  event: ChangeEvent
  settle: PromiseWithResolvers<void>
}

const MAX_BATCH = 100
const USED_INTERVAL_MS = 60_000
const MAX_NOTED = 10_000

export function createJournal(options: { store: Store; now: () => number; log: Log }): Journal {
  const { store, now, log } = options
  const uses: Use[] = []
  const entries: Entry[] = []
  /** Where each credential (by id) or grant was seen. */
  const sightings = new Map<string, string>()
  const noted = new Map<string, number>()
  let running: Promise<void> | undefined

  function wake(): void {
    running ??= run().finally(() => {
      running = undefined
    })
  }

  async function run(): Promise<void> {
    // What arrives in this turn of the event loop rides along.
    await new Promise(resolve => setImmediate(resolve))
    while (uses.length + entries.length + sightings.size > 0) {
      const seen = [...sightings].slice(0, MAX_BATCH)
      for (const [id] of seen) sightings.delete(id)
      await commit(uses.splice(0, MAX_BATCH), entries.splice(0, MAX_BATCH), seen)
    }
  }

  async function commit(use: Use[], entry: Entry[], seen: [string, string][]): Promise<void> {
    try {
      const fresh = await store.write(async tx => {
        const inserted = await insertOnce(tx, use)
        const events = entry.map(({ event }) => event)
        await recordAll(tx, events, now())
        for (const [id, address] of seen) await noteUse(tx, id, address, now())
        return inserted
      })
      // Of two that came together with one id, the first wins.
      for (const { id, settle } of use) settle.resolve(fresh.delete(id))
      for (const { settle } of entry) settle.resolve()
    } catch (error) {
      if (seen.length > 0) log.warn({ err: error }, 'could not note the use of credentials and grants')
      for (const { settle } of [...use, ...entry]) settle.reject(error)
    }
  }

  function see(id: string, address: string): void {
    const at = now()
    if (at - (noted.get(id) ?? Number.NEGATIVE_INFINITY) < USED_INTERVAL_MS) return
    if (noted.size >= MAX_NOTED) noted.clear()
    noted.set(id, at)
    sightings.set(id, address)
    wake()
  }

  return {
    useOnce(id, expiresAt) {
      const settle = Promise.withResolvers<boolean>()
      uses.push({ id, expiresAt, settle })
      wake()
      return settle.promise
    },
    record(event) {
      const settle = Promise.withResolvers<void>()
      entries.push({ event, settle })
      wake()
      return settle.promise
    },
    used: see,
    acted: grant => see(grant, ''),
    async close() {
      await running
    },
  }
}

async function insertOnce(tx: Tx, uses: readonly Use[]): Promise<Set<string>> {
  if (uses.length === 0) return new Set()
  const rows = await tx
    .insertInto('replay')
    .values(uses.map(({ id, expiresAt }) => ({ id, expiresAt })))
    .onConflict(conflict => conflict.doNothing())
    .returning('id')
    .execute()
  return new Set(rows.map(row => row.id))
}

async function noteUse(tx: Tx, id: string, address: string, now: number): Promise<void> {
  const lastUsedAt = isoTime(now)
  if (isId(id, 'grant')) await tx.updateTable('grant').set({ lastUsedAt }).where('id', '=', id).execute()
  else
    await tx
      .updateTable('credential')
      .set({ lastUsedAt, lastUsedFrom: address })
      .where('id', '=', id)
      .execute()
}
