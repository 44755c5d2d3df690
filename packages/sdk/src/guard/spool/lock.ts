import { join } from 'node:path'
import { AppError } from '../../core/index.ts'

/**
 * Holds a directory for this process until the returned function is called or the process ends, however it ends.
 *
 * The lock is the exclusive lock of an empty SQLite file, because that is the only lock of the operating system that
 * Node reaches by itself. The kernel drops it with the process, also at `kill -9`, so there is no stale lock to detect:
 * a file with a process id would have to be judged (ids are reused, and mean nothing in another container that mounts
 * the same volume) and then taken over in a race. Child processes do not inherit it, and SQLite itself refuses a second
 * holder inside this process.
 */
export async function lockDirectory(directory: string): Promise<() => void> {
  // Loaded here and not with the module: only a process that opens a spool pays for it (Node 22 prints a warning).
  const { DatabaseSync } = await import('node:sqlite')
  const database = new DatabaseSync(join(directory, 'lock'), { timeout: 0 })
  try {
    // Nothing is ever written to it; without a journal there is nothing to recover either.
    database.exec('PRAGMA journal_mode = OFF; BEGIN EXCLUSIVE')
  } catch (cause) {
    database.close()
    if (!isBusy(cause)) throw cause
    const sentence = 'Another process uses this spool directory; each enforcement point needs one of its own.'
    throw new AppError('spool.locked', sentence, { cause })
  }
  return () => database.close()
}

const SQLITE_BUSY = 5

function isBusy(cause: unknown): boolean {
  return cause instanceof Error && 'errcode' in cause && cause.errcode === SQLITE_BUSY
}
