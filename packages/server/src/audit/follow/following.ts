import type { Store, Tx } from '../../store/index.ts'
import type { Ledger, LogState } from '../ledger.ts'
import { createFollower, type Follower } from './follower.ts'
import { createHeads, type FollowedLog, keyOfLog } from './heads.ts'
import { createWatch, type Watch, type WatchOptions } from './watch.ts'

/** How others in this house read the evidence as it grows. */
export interface Following {
  /** Has work done again and again: soon after something was stored, on whatever node. */
  watch(work: () => Promise<void>, options: WatchOptions): Watch
  /** The logs as they stand, with all that was recorded before: every one, or those of one name. */
  heads(name?: string): Promise<FollowedLog[]>
  /** Makes a follower in a transaction, behind these heads; behind none, it begins at the beginning. One that is there stays as it is. */
  begin(tx: Tx, id: string, behind: readonly FollowedLog[], createdAt: string): Promise<void>
  /** The follower that was begun, on this node. */
  open(id: string, name?: string): Follower
  /** How many records each of these has not read yet, whatever node it is on. */
  backlogs(followers: readonly { id: string; name: string | undefined }[]): Promise<Map<string, number>>
  /** Takes a follower out in a transaction. */
  end(tx: Tx, id: string): Promise<void>
}

export function createFollowing(parts: {
  store: Store
  ledger: Ledger
  originOf(log: Pick<LogState, 'name' | 'generation'>): string
}): Following & { stored(): void } {
  const { store, ledger, originOf } = parts
  const heads = createHeads(ledger, originOf)
  const listeners = new Set<() => void>()
  return {
    stored() {
      for (const listener of listeners) listener()
    },
    watch: (work, options) => createWatch(work, listeners, options),
    heads,
    async begin(tx, id, behind, createdAt) {
      const begun = await tx
        .insertInto('evidenceFollower')
        .values({ id, holder: '', leaseUntil: 0, createdAt })
        .onConflict(conflict => conflict.doNothing())
        .returning('id')
        .executeTakeFirst()
      if (!begun) return
      await end(tx, id, 'positions')
      for (const log of behind) {
        const position = { followerId: id, log: keyOfLog(log), position: log.entries }
        await tx.insertInto('evidencePosition').values(position).execute()
      }
    },
    open: (id, name) => createFollower(id, name, { store, ledger }),
    async backlogs(followers) {
      const backlogs = new Map<string, number>()
      if (followers.length === 0) return backlogs
      const rows = await store.db
        .selectFrom('evidencePosition')
        .selectAll()
        .where(
          'followerId',
          'in',
          followers.map(({ id }) => id),
        )
        .execute()
      const read = new Map(rows.map(row => [`${row.followerId} ${row.log}`, row.position]))
      const logs = await heads(followers.length === 1 ? followers[0]?.name : undefined)
      for (const { id, name } of followers) {
        const own = name === undefined ? logs : logs.filter(log => log.name === name)
        const waiting = own.map(log => Math.max(0, log.entries - (read.get(`${id} ${keyOfLog(log)}`) ?? 0)))
        backlogs.set(
          id,
          waiting.reduce((a, b) => a + b, 0),
        )
      }
      return backlogs
    },
    end,
  }
}

async function end(tx: Tx, id: string, what: 'all' | 'positions' = 'all'): Promise<void> {
  await tx.deleteFrom('evidencePosition').where('followerId', '=', id).execute()
  if (what === 'all') await tx.deleteFrom('evidenceFollower').where('id', '=', id).execute()
}
