import { AppError, isoTime } from '@valetkey/sdk/core'
import { type Kysely, sql } from 'kysely'
import * as first from './migrations/0001-first.ts'
import type { Database } from './schema.ts'
import type { Tx } from './store.ts'

/** Forward only; never edited after a release. */
const MIGRATIONS = [first]

/**
 * Brings the tables up to date in one transaction that holds a lock, so that of two nodes that start at once one
 * migrates and the other finds nothing to do. A database of a newer version is refused.
 */
export async function migrate(db: Kysely<Database>, dialect: 'sqlite' | 'postgres'): Promise<void> {
  await db.transaction().execute(async tx => {
    if (dialect === 'postgres') await sql`select pg_advisory_xact_lock(7310948)`.execute(tx)
    await sql`create table if not exists migration (number integer primary key, at text not null)`.execute(tx)
    const { rows } = await sql<{ last: number | null }>`select max(number) as last from migration`.execute(tx)
    const done = rows[0]?.last ?? 0
    if (done > MIGRATIONS.length)
      throw new AppError(
        'store.newer',
        `The database is at version ${done}, this program knows ${MIGRATIONS.length}. Start the newer program.`,
      )
    for (const [index, migration] of MIGRATIONS.entries()) {
      if (index < done) continue
      await migration.up(tx)
      await sql`insert into migration (number, at) values (${index + 1}, ${isoTime(Date.now())})`.execute(tx)
    }
    if (done === 0) await seedCatalogue(tx)
  })
}

async function seedCatalogue(tx: Tx): Promise<void> {
  const createdAt = isoTime(Date.now())
  await tx
    .insertInto('organization')
    .values({ id: 'catalogue', seq: 0, slug: 'catalogue', name: 'Catalogue', status: 'active', createdAt })
    .execute()
  await tx
    .insertInto('resourceType')
    .values({ id: 'organization', slug: 'organization', name: 'Organization' })
    .execute()
}
