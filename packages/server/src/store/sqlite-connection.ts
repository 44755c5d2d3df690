import { AppError } from '@valetkey/sdk/core'
import Sqlite from 'better-sqlite3'
import type { SqliteDatabase, SqliteStatement } from 'kysely'
import { translateSqlite } from './faults.ts'
import { createMemo } from './memo.ts'

/** Preparing a statement costs five times what running it does; a program has far fewer texts than this. */
const STATEMENTS_KEPT = 500

/** The one connection of this process to a file: durable, checked, with prepared statements kept. */
export function connectSqlite(path: string): SqliteDatabase {
  const database = guarded(() => new Sqlite(path))
  guarded(() => configure(database))
  const prepared = createMemo(STATEMENTS_KEPT, sql => guardStatement(database, sql))
  return { prepare: prepared, close: () => database.close() }
}

function configure(database: Sqlite.Database): void {
  database.pragma('journal_mode = WAL')
  database.pragma('synchronous = FULL')
  // macOS acknowledges an fsync before the disk has it, unless asked like this; elsewhere it changes nothing.
  database.pragma('fullfsync = ON')
  database.pragma('foreign_keys = ON')
  database.pragma('trusted_schema = OFF')
  // In KiB: the indexes of a million resources are read and written all over, and the default of 2 MB reads them anew.
  database.pragma('cache_size = -65536')
  // In pages: what is written again and again goes to its place in the file less often than by default (1,000).
  database.pragma('wal_autocheckpoint = 4000')
  // Only a person with a shell can hold the file: this process has one connection, and no other may open it.
  database.pragma('busy_timeout = 1000')
  if (database.pragma('synchronous', { simple: true }) !== 2)
    throw new AppError(
      'store.durability',
      'SQLite did not take synchronous=FULL: commits would not survive a power cut.',
    )
}

function guardStatement(database: Sqlite.Database, sql: string): SqliteStatement {
  // After some errors (disk full) SQLite has rolled back by itself, and one more rollback would hide the reason.
  if (sql === 'rollback')
    return rollback(() => void (database.inTransaction && guarded(() => database.exec('rollback'))))
  const statement = guarded(() => database.prepare<unknown[]>(sql))
  return {
    reader: statement.reader,
    all: parameters => guarded(() => statement.all(parameters)),
    run: parameters => guarded(() => statement.run(parameters)),
    // A statement of its own, since a kept one cannot run while it is being read row by row.
    iterate: parameters => guarded(() => database.prepare<unknown[]>(sql).iterate(parameters)),
  }
}

function rollback(run: () => void): SqliteStatement {
  return {
    reader: false,
    all: () => [],
    iterate: () => [].values(),
    run() {
      run()
      return { changes: 0, lastInsertRowid: 0 }
    },
  }
}

function guarded<T>(work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw translateSqlite(error)
  }
}
