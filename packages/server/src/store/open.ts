import { AppError } from '@valetkey/sdk/core'
import { openPostgres } from './postgres.ts'
import { createSecretBox } from './secret-box.ts'
import { openSqlite } from './sqlite.ts'
import type { Store } from './store.ts'

export interface StoreOptions {
  /** `sqlite:PATH`, `sqlite::memory:` or `postgres://…`. */
  url: string
  masterKey: Uint8Array
}

/** Opens the database that the URL names and brings its tables up to date. Two nodes that start at once do not race. */
export async function openStore(options: StoreOptions): Promise<Store> {
  const secrets = createSecretBox(options.masterKey)
  if (options.url.startsWith('sqlite:')) return openSqlite(options.url.slice('sqlite:'.length), secrets)
  if (/^postgres(ql)?:\/\//.test(options.url)) return openPostgres(options.url, secrets)
  throw new AppError('config.invalid', 'The database must be "sqlite:PATH" or "postgres://…".')
}
