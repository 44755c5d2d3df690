import type { Store } from '../store/index.ts'
import { column } from './entry.ts'
import type { ChangeValues } from './ingest.ts'
import type { Ledger } from './ledger.ts'

const ROWS_A_TIME = 500

/** What `record` wrote, as far as it is searched by. */
interface Recorded {
  type: string
  actor: string
  target: string
}

/**
 * Moves recorded changes from the facts into the evidence: append, then delete. A kill between the two repeats rows that
 * the evidence knows by their id, so none is lost and none is there twice; nor is it on several nodes at once.
 */
export async function moveOutbox(store: Store, ledger: Pick<Ledger, 'append'>): Promise<void> {
  for (;;) {
    const rows = await store.db
      .selectFrom('auditOutbox')
      .selectAll()
      .orderBy('id')
      .limit(ROWS_A_TIME)
      .execute()
    if (rows.length === 0) return
    await ledger.append(
      rows.map((row): ChangeValues => {
        const { type, actor, target } = JSON.parse(row.body) as Recorded
        const organization = row.organizationId
        return [
          row.id,
          Date.parse(row.at),
          organization,
          column(type),
          column(actor),
          column(target),
          row.body,
        ]
      }),
    )
    const ids = rows.map(({ id }) => id)
    await store.write(tx => tx.deleteFrom('auditOutbox').where('id', 'in', ids).execute())
    if (rows.length < ROWS_A_TIME) return
  }
}
