import { AsyncLocalStorage } from 'node:async_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { AppError, type Change } from '@valetkey/sdk/core'
import { changesBy } from './change.ts'
import { isBroken, isConflict, isUnavailable } from './faults.ts'
import { openFlight } from './in-flight.ts'
import type { Db, Tx } from './store.ts'

/** How often a write that lost against another one is run, all told. */
const ATTEMPTS = 8

/** The three ways to a database, which exclude each other: reading, writing, reading at one moment. */
export interface Transactions {
  /** Throws inside a write or read, where it would wait for itself (SQLite) or see something else (PostgreSQL). */
  outside(): Db
  write<T>(work: (tx: Tx) => Promise<T>): Promise<T>
  read<T>(work: (db: Db) => Promise<T>): Promise<T>
}

export interface TransactionsOptions {
  /** Told what was changed by each write, once it is committed. */
  committed(changes: readonly Change[]): void
  /** Whether the database itself refuses to commit where a statement has failed, so that a commit may follow at once. */
  refusesBroken: boolean
}

export function createTransactions(db: Db, { committed, refusesBroken }: TransactionsOptions): Transactions {
  const running = new AsyncLocalStorage<{ open: boolean }>()

  function outside(): Db {
    if (running.getStore()?.open)
      throw new Error('Inside store.write and store.read only the transaction they hand out may be used.')
    return db
  }

  /** Marks all that `work` calls, until it is done: what it started and left running may use the database again. */
  async function inside<T>(work: () => Promise<T>): Promise<T> {
    const mark = { open: true }
    try {
      return await running.run(mark, work)
    } finally {
      mark.open = false
    }
  }

  async function attempt<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    let changes: readonly Change[] = []
    let sent: readonly Promise<unknown>[] = []
    let isCommitting = false
    try {
      const result = await outside()
        .transaction()
        .execute(async tx => {
          const flight = await openFlight(tx)
          sent = flight.sent
          const value = await inside(() => work(tx)).finally(flight.end)
          if (!refusesBroken) await Promise.all(sent)
          changes = changesBy(tx)
          isCommitting = true
          return value
        })
      await Promise.all(sent)
      if (changes.length > 0) committed(changes)
      return result
    } catch (error) {
      if (isCommitting && isUnavailable(error)) throw outcomeUnknown(error)
      // The reason is that of a statement that nobody waited for.
      if (isBroken(error)) await Promise.all(sent)
      throw error
    }
  }

  return {
    outside,
    async write(work) {
      for (let tried = 1; ; tried++) {
        try {
          return await attempt(work)
        } catch (error) {
          if (!isConflict(error)) throw error
          if (tried === ATTEMPTS) throw tooManyConflicts(error)
          await sleep(Math.random() * 5 * 2 ** tried)
        }
      }
    },
    read: work =>
      outside()
        .transaction()
        .setIsolationLevel('repeatable read')
        .setAccessMode('read only')
        .execute(tx => inside(() => work(tx))),
  }
}

function outcomeUnknown(cause: unknown): AppError {
  return new AppError(
    'store.unavailable',
    'The database did not answer the commit: whether the change was made is unknown. Look before you try again.',
    { cause },
  )
}

function tooManyConflicts(cause: unknown): AppError {
  return new AppError('store.unavailable', 'The change lost against other changes too often. Try again.', {
    cause,
  })
}
