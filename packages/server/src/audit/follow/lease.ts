import { randomUUID } from 'node:crypto'
import type { Store, Tx } from '../../store/index.ts'

/** The right of one node at a time to read for all of them. */
export interface Lease {
  /** Whether it is this node's. Where it was not when it was last asked, `begin` is done first; if that fails, it is not. */
  hold(begin: () => Promise<void>): Promise<boolean>
  /** Writes while it is this node's. Fails, and writes nothing, where it is another's now. */
  write(work: (tx: Tx) => Promise<void>): Promise<void>
  /** Lets another node have it at once. */
  release(): Promise<void>
}

const LEASE_MS = 30_000
/** How often a node asks that does not read. */
const ASK_AGAIN_MS = 5_000

export function createLease(store: Store, id: string): Lease {
  const holder = randomUUID()
  /** On the monotonic clock: from then on it is asked for again. */
  let askAt = Number.NEGATIVE_INFINITY
  let isHeld = false
  return {
    async hold(begin) {
      const asked = performance.now()
      if (asked < askAt) return isHeld
      const taken = await take(store, id, holder)
      // Another node may have had it and stopped in between, without this one noticing.
      const isNew = taken === 'taken over' || (taken === 'held on' && !isHeld)
      if (isNew) await begin()
      isHeld = taken !== 'not held'
      askAt = asked + (isHeld ? LEASE_MS / 2 : ASK_AGAIN_MS)
      return isHeld
    },
    async write(work) {
      try {
        await store.write(async tx => {
          await requireHeld(tx, id, holder)
          await work(tx)
        })
      } catch (error) {
        // Whatever it was, what is in the database counts.
        isHeld = false
        askAt = Number.NEGATIVE_INFINITY
        throw error
      }
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

async function take(
  store: Store,
  id: string,
  holder: string,
): Promise<'not held' | 'held on' | 'taken over'> {
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
