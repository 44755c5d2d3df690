import { AppError } from '@valetkey/sdk/core'
import { AbortedTransactionError } from 'kysely'

/**
 * Which rule of the tables a statement broke, on either database. To be asked outside the write that failed: on
 * PostgreSQL the transaction is over once a statement has failed in it.
 */
export function violation(error: unknown): 'unique' | 'reference' | undefined {
  switch (codeOf(error)) {
    case 'SQLITE_CONSTRAINT_UNIQUE':
    case 'SQLITE_CONSTRAINT_PRIMARYKEY':
    case '23505':
      return 'unique'
    case 'SQLITE_CONSTRAINT_FOREIGNKEY':
    case '23503':
      return 'reference'
  }
  return undefined
}

/** The database gave up one of two transactions that were in each other's way: nothing of it happened, it may run again. */
export function isConflict(error: unknown): boolean {
  const code = codeOf(error)
  return code === '40001' || code === '40P01'
}

/** Says no more than that an earlier statement of the transaction has failed. */
export function isBroken(error: unknown): boolean {
  return error instanceof AbortedTransactionError || codeOf(error) === '25P02'
}

export function isUnavailable(error: unknown): boolean {
  return error instanceof AppError && error.code === 'store.unavailable'
}

/** What a driver threw, as the rest of the program should see it; anything that is not about the database's health stays. */
export function translateSqlite(error: unknown): unknown {
  const code = codeOf(error)?.match(/^SQLITE_[A-Z]+/)?.[0]
  const detail = code && SQLITE_DETAIL[code]
  return detail ? new AppError('store.unavailable', detail, { cause: error }) : error
}

const SQLITE_DETAIL: Record<string, string> = {
  SQLITE_BUSY: 'Another program holds the database file locked.',
  SQLITE_LOCKED: 'The database is locked.',
  SQLITE_IOERR: 'Reading or writing the database file failed.',
  SQLITE_FULL: 'The disk of the database is full.',
  SQLITE_CORRUPT: 'The database file is damaged: restore a backup.',
  SQLITE_NOTADB: 'The database file is not a SQLite database.',
  SQLITE_CANTOPEN: 'The database file cannot be opened.',
  SQLITE_READONLY: 'The database file cannot be written.',
  SQLITE_PERM: 'The database file may not be opened.',
  SQLITE_NOMEM: 'The database has no memory left.',
}

/** The same for PostgreSQL. An error without an SQLSTATE comes from the connection, unless it is a mistake of the caller. */
export function translatePostgres(error: unknown): unknown {
  if (error instanceof AppError || error instanceof TypeError || error instanceof RangeError) return error
  const state = sqlStateOf(error)
  if (state === undefined)
    return new AppError('store.unavailable', 'The database does not answer.', { cause: error })
  if (state === '22021')
    return new AppError('request.invalid', 'A text holds a character that cannot be stored (U+0000).')
  if (state.startsWith('28') || state === '3D000' || state === '42501')
    return new AppError('config.invalid', 'PostgreSQL refuses this user, password or database name.', {
      cause: error,
    })
  const detail = POSTGRES_DETAIL[state] ?? POSTGRES_DETAIL[state.slice(0, 2)]
  return detail ? new AppError('store.unavailable', detail, { cause: error }) : error
}

/** By SQLSTATE, or by its class (the first two characters). */
const POSTGRES_DETAIL: Record<string, string> = {
  '08': 'The connection to the database broke.',
  '25006': 'The database accepts no writes: it is a standby.',
  '25P03': 'The database ended a transaction that stood idle.',
  '25P04': 'The database ended a transaction that took too long.',
  '53': 'The database is out of disk, memory or connections.',
  '55P03': 'A change waited too long for another change.',
  '57': 'The database is shutting down, starting, or took too long.',
  '58': 'The database failed to read or write its files.',
  XX: 'The database reports damage of its own.',
}

function sqlStateOf(error: unknown): string | undefined {
  const code = codeOf(error)
  return code !== undefined && /^[0-9A-Z]{5}$/.test(code) && error instanceof Error && 'severity' in error
    ? code
    : undefined
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}
