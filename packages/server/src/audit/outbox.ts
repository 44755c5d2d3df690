import { sql } from 'kysely'
import type { Db, Store, Tx } from '../store/index.ts'
import { ENVIRONMENT_LOG, eventEntry } from './entry.ts'
import type { Ledger } from './ledger.ts'
import { erasuresIn } from './proof/erase.ts'
import type { ChangeEvent } from './record.ts'

const ROWS_A_TIME = 500

/**
 * Moves recorded changes from the facts into the evidence: append, then delete. A kill between the two repeats rows that
 * the evidence knows by their id, so none is lost and none is there twice; nor is it on several nodes at once. Says
 * whether there were any.
 */
export async function moveOutbox(store: Store, ledger: Pick<Ledger, 'append' | 'erase'>): Promise<boolean> {
  for (let hasMoved = false; ; hasMoved = true) {
    const rows = await store.db
      .selectFrom('auditOutbox')
      .selectAll()
      .orderBy('id')
      .limit(ROWS_A_TIME)
      .execute()
    if (rows.length === 0) return hasMoved
    // What `record` wrote.
    const events = rows.map(row => JSON.parse(row.body) as ChangeEvent & { id: string; at: string })
    // What is on record as erased is erased, also when a crash came between the two.
    for (const erasure of erasuresIn(events, ENVIRONMENT_LOG)) await ledger.erase(erasure)
    await ledger.append(events.map(eventEntry))
    const ids = rows.map(({ id }) => id)
    await store.write(async tx => {
      const { numDeletedRows } = await tx.deleteFrom('auditOutbox').where('id', 'in', ids).executeTakeFirst()
      // Another node may have moved them meanwhile, and has counted them then.
      if (numDeletedRows > 0n) await countMoved(tx, Number(numDeletedRows))
    })
    if (rows.length < ROWS_A_TIME) return true
  }
}

const MOVED_SETTING = 'evidence_moved'

/** Counted in the facts, so that facts which were restored from an older copy are found out by counting less than before. */
async function countMoved(tx: Tx, moved: number): Promise<void> {
  await tx
    .insertInto('setting')
    .values({ key: MOVED_SETTING, value: String(moved) })
    .onConflict(conflict =>
      conflict.column('key').doUpdateSet({
        value: sql<string>`cast(cast(setting.value as bigint) + ${moved} as text)`,
      }),
    )
    .execute()
}

/** How many recorded changes have ever been moved on. */
export async function countOfMoved(db: Db): Promise<number> {
  const row = await db
    .selectFrom('setting')
    .select('value')
    .where('key', '=', MOVED_SETTING)
    .executeTakeFirst()
  return Number(row?.value ?? 0)
}
