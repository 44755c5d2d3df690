import { setTimeout as sleep } from 'node:timers/promises'
import { AppError } from '@valetkey/sdk/core'
import Sqlite from 'better-sqlite3'

/** Long enough for a predecessor that is shutting down, short enough for someone who waits at a prompt. */
const PATIENCE_MS = 2000

/**
 * Makes this process the only one that opens the database file for writing, until the returned function is called or
 * the process ends, however it ends. Two writers on one file would stop each other's event loops for seconds.
 *
 * The lock is the exclusive lock of an empty SQLite file beside the database: the kernel drops it with the process,
 * also at `kill -9`, so there is no stale lock to detect, and the database itself stays readable for backups.
 */
export async function lockDatabase(path: string): Promise<() => void> {
  const database = new Sqlite(`${path}-lock`, { timeout: 0 })
  const giveUpAt = performance.now() + PATIENCE_MS
  for (;;) {
    try {
      // Nothing is ever written to it; without a journal there is nothing to recover either.
      database.exec('pragma journal_mode = off; begin exclusive')
      return () => void database.close()
    } catch (cause) {
      const isBusy = cause instanceof Sqlite.SqliteError && cause.code.startsWith('SQLITE_BUSY')
      if (isBusy && performance.now() < giveUpAt) {
        await sleep(50)
        continue
      }
      database.close()
      if (!isBusy) throw cause
      const sentence = `Another process has ${path} open. SQLite serves one node; use PostgreSQL for more.`
      throw new AppError('store.locked', sentence, { cause })
    }
  }
}
