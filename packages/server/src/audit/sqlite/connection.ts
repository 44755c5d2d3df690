import { closeSync, openSync } from 'node:fs'
import Sqlite from 'better-sqlite3'
import { MIGRATIONS } from './schema.ts'

/**
 * Opens the file that the evidence is found from. Of all that have it open, only one may write. Its owner alone may read
 * it; SQLite gives its journals the same mode.
 */
export function openMain(path: string, access: 'write' | 'read'): Sqlite.Database {
  if (path !== ':memory:') closeSync(openSync(path, 'a', 0o600))
  const database = new Sqlite(path)
  database.pragma('journal_mode = WAL')
  database.pragma('synchronous = FULL')
  // macOS acknowledges an fsync before the disk has it, unless asked like this; elsewhere it changes nothing.
  database.pragma('fullfsync = ON')
  database.pragma('busy_timeout = 5000')
  // What is erased is overwritten.
  database.pragma('secure_delete = ON')
  database.pragma('wal_autocheckpoint = 4000')
  database.pragma('cache_size = -16000')
  if (database.pragma('synchronous', { simple: true }) !== 2)
    throw new Error('SQLite did not take synchronous=FULL: records would not survive a power cut.')
  if (access === 'read') database.pragma('query_only = ON')
  else migrate(database)
  return database
}

function migrate(database: Sqlite.Database): void {
  const done = database.pragma('user_version', { simple: true }) as number
  if (done > MIGRATIONS.length)
    throw new Error(
      `The evidence is at version ${done}, this program knows ${MIGRATIONS.length}. Start the newer program.`,
    )
  database.transaction(() => {
    for (const statements of MIGRATIONS.slice(done))
      for (const statement of statements) database.exec(statement)
    database.pragma(`user_version = ${MIGRATIONS.length}`)
  })()
}
