import { closeSync, openSync, realpathSync } from 'node:fs'
import { AppError } from '@valetkey/sdk/core'
import { CamelCasePlugin, Kysely, SqliteDialect, sql } from 'kysely'
import { createListeners } from './listeners.ts'
import { migrate } from './migrate.ts'
import type { Database } from './schema.ts'
import { connectSqlite } from './sqlite-connection.ts'
import { lockDatabase } from './sqlite-lock.ts'
import { prepareSqlitePlanner } from './sqlite-planner.ts'
import type { OpenStore } from './store.ts'
import { createTransactions } from './transactions.ts'

/** One connection in one process: writes queue on it, and a commit is on the disk when it returns. */
export const openSqlite: OpenStore = async (path, { secrets, now }) => {
  const file = path === ':memory:' ? path : createFile(path)
  const unlock = path === ':memory:' ? () => {} : await lockDatabase(file)
  const db = new Kysely<Database>({
    dialect: new SqliteDialect({ database: async () => connectSqlite(file) }),
    plugins: [new CamelCasePlugin()],
  })
  async function close(): Promise<void> {
    await db.destroy()
    unlock()
  }
  try {
    const { instanceId } = await migrate(db, 'sqlite', now)
    await prepareSqlitePlanner(db)
    const listeners = createListeners()
    const { outside, write, read } = createTransactions(db, {
      committed: listeners.committed,
      refusesBroken: false,
    })
    return {
      dialect: 'sqlite',
      instanceId,
      get db() {
        return outside()
      },
      secrets,
      write,
      read,
      clock: async () => now(),
      time: () => sql<number>`${now()}`,
      onChange: listeners.add,
      afterCommits: listeners.addLate,
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

/** Only its owner may read the file; SQLite gives its journals the same mode. Returns the one name it goes by. */
function createFile(path: string): string {
  try {
    closeSync(openSync(path, 'a', 0o600))
    return realpathSync(path)
  } catch (cause) {
    throw new AppError('config.invalid', `The database file ${path} cannot be written.`, { cause })
  }
}
