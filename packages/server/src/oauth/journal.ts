import { isId, isoTime } from '@valetkey/sdk/core'
import { type ChangeEvent, currentTrace, recordAll } from '../audit/index.ts'
import type { Store, Tx } from '../store/index.ts'
import type { Log } from './log.ts'

/**
 * Writes what token requests leave behind. All that queued while the last commit ran goes into the next one, so that a
 * burst of tokens costs a few commits, not one each; and nothing is answered before its commit is on the disk.
 */
export interface Journal {
  /** Whether this id is seen for the first time, on any node; it stays known until the time (ms) has passed. */
  useOnce(id: string, expiresAt: number): Promise<boolean>
  /**
   * Resolves once the event is durable, with true. What it needs is used up in the same commit: where that is gone already,
   * nothing is recorded, and it resolves with false.
   */
  record(event: ChangeEvent, redeem?: Redemption): Promise<boolean>
  /** Notes when and from where a credential was used, at most once a minute each and without a revision. */
  used(credential: string, address: string): void
  /** Notes that an agent got a token under a grant, at most once a minute each and without a revision. */
  acted(grant: string): void
  /** Writes what is queued. */
  close(): Promise<void>
}

/** Something that is used up, within a commit that others ride in too: it must fail for no reason of its own. */
export interface Redemption {
  /** Of what it locks, so that all nodes lock in one order and none waits for the other. */
  key: string
  use(tx: Tx): Promise<boolean>
}

interface Use {
  id: string
  expiresAt: number
  settle: PromiseWithResolvers<boolean>
}
interface Entry {
  event: ChangeEvent
  redeem: Redemption | undefined
  settle: PromiseWithResolvers<boolean>
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
      const { fresh, redeemed } = await store.write(async tx => {
        const inserted = await insertOnce(tx, use)
        const good = new Set<Entry>()
        for (const each of entry.toSorted(byKey))
          if (!each.redeem || (await each.redeem.use(tx))) good.add(each)
        const events = entry.filter(each => good.has(each)).map(({ event }) => event)
        await recordAll(tx, events, now())
        for (const [id, address] of seen.toSorted()) await noteUse(tx, id, address, now())
        return { fresh: inserted, redeemed: good }
      })
      // Of two that came together with one id, the first wins.
      for (const { id, settle } of use) settle.resolve(fresh.delete(id))
      for (const each of entry) each.settle.resolve(redeemed.has(each))
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
    record(event, redeem) {
      const settle = Promise.withResolvers<boolean>()
      // Written later, by whoever commits for all.
      entries.push({ event: { ...event, trace: currentTrace() }, redeem, settle })
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

function byKey({ redeem: a }: Entry, { redeem: b }: Entry): number {
  const [left, right] = [a?.key ?? '', b?.key ?? '']
  return left < right ? -1 : Number(left > right)
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
