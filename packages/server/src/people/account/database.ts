import { closeSync, openSync } from 'node:fs'
import Sqlite from 'better-sqlite3'
import { Kysely, PostgresDialect, SqliteDialect, sql } from 'kysely'

/** Where better-auth keeps its tables, whose columns are named its own way. */
export interface AccountDatabase {
  database: Kysely<unknown>
  type: 'sqlite' | 'postgres'
  /** Runs the migration while no other node does. */
  asOnlyMigrator(migrate: () => Promise<void>): Promise<void>
  close(): Promise<void>
}

/** A file of its own on SQLite, since two connections that write to one file stop each other; tables of their own on PostgreSQL. */
export async function openAccountDatabase(url: string): Promise<AccountDatabase> {
  return url.startsWith('sqlite:') ? openFile(url.slice('sqlite:'.length)) : openPostgres(url)
}

function openFile(path: string): AccountDatabase {
  if (path !== ':memory:') closeSync(openSync(path, 'a', 0o600))
  const file = new Sqlite(path)
  for (const pragma of [
    'journal_mode = WAL',
    'synchronous = FULL',
    'foreign_keys = ON',
    'trusted_schema = OFF',
  ])
    file.pragma(pragma)
  const database = new Kysely<unknown>({ dialect: new SqliteDialect({ database: file }) })
  return { database, type: 'sqlite', asOnlyMigrator: migrate => migrate(), close: () => database.destroy() }
}

const MIGRATION_LOCK = 7_310_949

async function openPostgres(url: string): Promise<AccountDatabase> {
  const { default: pg } = await import('pg')
  const pool = new pg.Pool({ connectionString: url, max: 4 })
  pool.on('error', () => undefined)
  const database = new Kysely<unknown>({ dialect: new PostgresDialect({ pool }) })
  return {
    database,
    type: 'postgres',
    asOnlyMigrator: migrate =>
      database.connection().execute(async connection => {
        await sql`select pg_advisory_lock(${MIGRATION_LOCK})`.execute(connection)
        try {
          await migrate()
        } finally {
          await sql`select pg_advisory_unlock(${MIGRATION_LOCK})`.execute(connection)
        }
      }),
    close: () => database.destroy(),
  }
}
