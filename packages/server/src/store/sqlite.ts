import { AppError } from '@valetkey/sdk/core'
import Sqlite from 'better-sqlite3'
import { CamelCasePlugin, Kysely, SqliteDialect } from 'kysely'
import { changedBy } from './change.ts'
import { migrate } from './migrate.ts'
import type { Database } from './schema.ts'
import type { SecretBox } from './secret-box.ts'
import type { Store, Tx } from './store.ts'

/** One connection: writes queue on it, and a commit is on the disk when it returns. */
export async function openSqlite(path: string, secrets: SecretBox): Promise<Store> {
  const database = new Sqlite(path)
  database.pragma('journal_mode = WAL')
  database.pragma('synchronous = FULL')
  database.pragma('foreign_keys = ON')
  database.pragma('busy_timeout = 5000')
  if (database.pragma('synchronous', { simple: true }) !== 2)
    throw new AppError(
      'store.durability',
      'SQLite did not take synchronous=FULL: commits would not survive a power cut.',
    )
  const db = new Kysely<Database>({
    dialect: new SqliteDialect({ database }),
    plugins: [new CamelCasePlugin()],
  })
  await migrate(db, 'sqlite')
  const listeners = new Set<(organizations: readonly string[] | undefined) => void>()
  return {
    dialect: 'sqlite',
    db,
    secrets,
    async write(work) {
      let organizations: string[] = []
      const result = await db.transaction().execute(async (tx: Tx) => {
        const value = await work(tx)
        organizations = changedBy(tx)
        return value
      })
      if (organizations.length > 0) for (const listener of listeners) listener(organizations)
      return result
    },
    onChange(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    close: () => db.destroy(),
  }
}
