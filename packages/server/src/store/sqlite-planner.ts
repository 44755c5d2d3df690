import { type Kysely, sql } from 'kysely'
import type { Database } from './schema.ts'

/**
 * How many rows there are and how many share the first columns of an index, by table and index, for tables that can
 * become large: without it SQLite takes an organization for ten rows, and reads all of it where an index would do.
 */
const SIZES: readonly (readonly [table: string, index: string, sizes: string])[] = [
  ['resource', 'resource', '1000000 100000 1'],
  ['resource', 'resource_live', '1000000 100000 25000 1'],
  ['resource', 'resource_parent', '1000000 100000 20 1'],
  ['group_member', 'group_member', '100000 10000 50 1'],
  ['group_member', 'group_member_of', '100000 10000 5 1'],
]

/** Tells SQLite what to expect of the large tables; it learns nothing by itself, and an empty one would teach it wrong. */
export async function prepareSqlitePlanner(db: Kysely<Database>): Promise<void> {
  await db.transaction().execute(async tx => {
    // Makes the table of sizes, where there is none yet.
    await sql`analyze migration`.execute(tx)
    for (const table of new Set(SIZES.map(([name]) => name)))
      await sql`delete from sqlite_stat1 where tbl = ${table}`.execute(tx)
    for (const [table, index, sizes] of SIZES)
      await sql`insert into sqlite_stat1 (tbl, idx, stat) values (${table}, ${index}, ${sizes})`.execute(tx)
  })
  // Reads the table of sizes.
  await sql`analyze sqlite_schema`.execute(db)
}
