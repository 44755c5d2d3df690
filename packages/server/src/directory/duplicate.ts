import { AppError } from '@valetkey/sdk/core'

const DUPLICATE_CODES = new Set(['SQLITE_CONSTRAINT_UNIQUE', 'SQLITE_CONSTRAINT_PRIMARYKEY', '23505'])

/** Whether the database refused a row because one like it exists, on SQLite and on PostgreSQL. */
export function isDuplicate(error: unknown): boolean {
  return error instanceof Error && DUPLICATE_CODES.has(String((error as { code?: unknown }).code))
}

/** Says in words that a thing exists already; the database decides, so two creators cannot both win. */
export async function refuseDuplicate<T>(insert: Promise<T>, sentence: string): Promise<T> {
  try {
    return await insert
  } catch (cause) {
    if (isDuplicate(cause)) throw new AppError('conflict.exists', sentence, { cause })
    throw cause
  }
}
