import { isoTime } from '@valetkey/sdk/core'
import { sql } from 'kysely'
import type { Store, Tx } from '../store/index.ts'
import { available } from './available.ts'
import type { Gap } from './counters.ts'
import { ingestBatch, type LedgerTx } from './ingest.ts'
import { COUNT_MISSING, type Ledger } from './ledger.ts'
import {
  type AuditTables,
  auditMigrations,
  CALL_COLUMNS,
  CHANGE_COLUMNS,
  OUTCOME_COLUMNS,
  RESOURCE_COLUMNS,
} from './tables.ts'

/** The evidence in tables beside the facts, in the same database and through the same connections. */
export async function openPostgresLedger(store: Store, now: number): Promise<Ledger> {
  await available(store.write(tx => migrate(tx, now)))
  return {
    get db() {
      return store.db.$extendTables<AuditTables>().$pickTables<keyof AuditTables>()
    },
    ingest: batch => available(store.write(tx => ingestBatch(statementsOf(tx), batch))),
    append: rows => available(store.write(async tx => statementsOf(tx).insertChanges(rows))),
    async missing() {
      const { rows } = await sql.raw<{ missing: number }>(COUNT_MISSING).execute(store.db)
      return rows[0]?.missing ?? 0
    },
    close: async () => undefined,
  }
}

/** Of two nodes that start at once one makes the tables; the other waits and finds them. */
async function migrate(tx: Tx, now: number): Promise<void> {
  const versions = auditMigrations('postgres')
  await sql`select pg_advisory_xact_lock(7310949)`.execute(tx)
  await sql`create table if not exists audit_migration (number integer primary key, at text not null)`.execute(
    tx,
  )
  const { rows } = await sql<{
    last: number | null
  }>`select max(number) as last from audit_migration`.execute(tx)
  const done = rows[0]?.last ?? 0
  if (done > versions.length)
    throw new Error(
      `The audit tables are at version ${done}, this program knows ${versions.length}. Start the newer program.`,
    )
  for (const [index, statements] of versions.entries()) {
    if (index < done) continue
    for (const statement of statements) await sql.raw(statement).execute(tx)
    await sql`insert into audit_migration (number, at) values (${index + 1}, ${isoTime(now)})`.execute(tx)
  }
}

const COLUMNS = {
  audit_call: CALL_COLUMNS,
  audit_outcome: OUTCOME_COLUMNS,
  audit_change: CHANGE_COLUMNS,
  audit_resource: RESOURCE_COLUMNS,
} as const

/** One statement a table and batch: a column travels as one array. Gives what identifies the rows that were new. */
async function insertRows(
  tx: Tx,
  table: keyof typeof COLUMNS,
  rows: readonly (readonly unknown[])[],
): Promise<string[]> {
  const columns = Object.entries(COLUMNS[table])
  const arrays = columns.map(([, type], index) => sql`${rows.map(row => row[index])}::${sql.raw(type)}[]`)
  const names = sql.raw(columns.map(([name]) => name).join(', '))
  const [[first = 'id'] = []] = columns
  const inserted = await sql<{ id: string }>`
    insert into ${sql.table(table)} (${names}) select * from unnest(${sql.join(arrays)})
    on conflict do nothing returning ${sql.ref(first)} as id`.execute(tx)
  return inserted.rows.map(({ id }) => id)
}

function statementsOf(tx: Tx): LedgerTx {
  return {
    ...counterStatements(tx),
    insert: async (table, entries) =>
      new Set(
        await insertRows(
          tx,
          table,
          entries.map(({ values }) => values),
        ),
      ),
    async bodies(table, point, ids) {
      const whose = table === 'audit_call' ? sql`` : sql`and point = ${point}`
      const { rows } = await sql<{ id: string; body: string }>`
        select id, body from ${sql.table(table)} where id = any(${ids}::text[]) ${whose}`.execute(tx)
      return new Map(rows.map(({ id, body }) => [id, body]))
    },
    async insertResources(rows) {
      await insertRows(tx, 'audit_resource', rows)
    },
    async insertChanges(rows) {
      await insertRows(tx, 'audit_change', rows)
    },
  }
}

function counterStatements(tx: Tx): Pick<LedgerTx, 'received' | 'saveReceived' | 'standing'> {
  return {
    async received(point, epoch, range) {
      await sql`insert into audit_point (point, epoch, highest) values (${point}, ${epoch}, 0)
        on conflict do nothing`.execute(tx)
      // Shipments of one start queue here: what each finds received is what the one before left.
      const { rows } = await sql<{ highest: number }>`
        select highest from audit_point where point = ${point} and epoch = ${epoch} for update`.execute(tx)
      const gaps = await sql<Gap>`
        select first, last from audit_gap
        where point = ${point} and epoch = ${epoch} and last >= ${range.first} and first <= ${range.last}
        order by first`.execute(tx)
      return {
        highest: rows[0]?.highest ?? 0,
        gaps: gaps.rows,
      }
    },
    async saveReceived(point, epoch, highest, closed, opened) {
      await sql`update audit_point set highest = ${highest}
        where point = ${point} and epoch = ${epoch}`.execute(tx)
      if (closed.length > 0)
        await sql`delete from audit_gap where point = ${point} and epoch = ${epoch}
          and first = any(${closed.map(gap => gap.first)}::bigint[])`.execute(tx)
      if (opened.length > 0)
        await sql`insert into audit_gap (point, epoch, first, last)
          select ${point}::text, ${epoch}::bigint, * from unnest(
            ${opened.map(gap => gap.first)}::bigint[], ${opened.map(gap => gap.last)}::bigint[])`.execute(tx)
    },
    async standing(point, epoch) {
      const { rows } = await sql<{ counter: number | null; missing: number }>`
        select
          coalesce((select min(first) - 1 from audit_gap where point = ${point} and epoch = ${epoch}),
                   (select highest from audit_point where point = ${point} and epoch = ${epoch})) as counter,
          coalesce((select sum(last - first + 1) from audit_gap where point = ${point}), 0) as missing`.execute(
        tx,
      )
      return { counter: rows[0]?.counter ?? 0, missing: rows[0]?.missing ?? 0 }
    },
  }
}
