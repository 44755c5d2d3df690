import { AppError } from '@valetkey/sdk/core'
import { createSecretBox } from './secret-box.ts'
import { openSqlite } from './sqlite.ts'
import type { Store } from './store.ts'

export interface StoreOptions {
  /** `sqlite:PATH`, `sqlite::memory:` or `postgres://…`. */
  url: string
  masterKey: Uint8Array
  /** PostgreSQL connections for queries (10); one more listens. */
  connections?: number
  /** The clock of this process. */
  now?: () => number
}

/** Opens the database that the URL names and brings its tables up to date. Two nodes that start at once do not race. */
export async function openStore({
  url,
  masterKey,
  connections = 10,
  now = Date.now,
}: StoreOptions): Promise<Store> {
  const options = { secrets: createSecretBox(masterKey), connections, now }
  if (url.startsWith('sqlite:')) return openSqlite(url.slice('sqlite:'.length), options)
  if (/^postgres(ql)?:\/\//.test(url) && URL.canParse(url)) {
    // Loaded where it is used: an authority on SQLite starts sooner, and is smaller, without the driver.
    const { openPostgres } = await import('./postgres.ts')
    return openPostgres(url, options)
  }
  throw new AppError('config.invalid', 'The database must be "sqlite:PATH" or "postgres://…".')
}
