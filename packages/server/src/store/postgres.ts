import { AppError } from '@valetkey/sdk/core'
import { CamelCasePlugin, Kysely, PostgresDialect, type PostgresPool, sql } from 'kysely'
import { createListeners } from './listeners.ts'
import { migrate } from './migrate.ts'
import { openNotifications } from './notifications.ts'
import { createListeningClient, createPatientPool, createPool } from './postgres-connection.ts'
import type { Database } from './schema.ts'
import type { Db, OpenStore } from './store.ts'
import { createTransactions } from './transactions.ts'

/** Any number of nodes on one server: rows locked by organization order their changes, notifications wake the others. */
export const openPostgres: OpenStore = async (url, { secrets, connections, now }) => {
  const instanceId = await prepareDatabase(url, now)
  const db = kyselyOver(createPool(url, connections))
  const listeners = createListeners()
  const notifications = await openNotifications(() => createListeningClient(url), listeners.hint)
  const { outside, write, read } = createTransactions(db, {
    committed(changes) {
      listeners.committed(changes)
      notifications.tell(changes.map(({ organization }) => organization))
    },
    refusesBroken: true,
  })
  return {
    dialect: 'postgres',
    instanceId,
    get db() {
      return outside()
    },
    secrets,
    write,
    read,
    clock,
    time: () => sql<number>`floor(extract(epoch from statement_timestamp()) * 1000)::bigint`,
    onChange: listeners.add,
    afterCommits: listeners.addLate,
    async close() {
      await notifications.close()
      await db.destroy()
    },
  }
}

async function prepareDatabase(url: string, now: () => number): Promise<string> {
  const db = kyselyOver(createPatientPool(url))
  try {
    await assertDurable(db)
    const { instanceId } = await migrate(db, 'postgres', now)
    return instanceId
  } finally {
    await db.destroy()
  }
}

/** `local` and the settings for replicas are fine: with each of them the commit is on this server's disk. */
async function assertDurable(db: Db): Promise<void> {
  for (const setting of ['synchronous_commit', 'fsync']) {
    const { rows } = await sql<{ value: string }>`select current_setting(${setting}) as value`.execute(db)
    if (rows[0]?.value === 'off')
      throw new AppError(
        'store.durability',
        `PostgreSQL runs with ${setting} = off: commits would not survive a power cut. Turn it on for this database.`,
      )
  }
}

async function clock(db: Db): Promise<number> {
  const { rows } = await sql<{ now: number }>`
    select floor(extract(epoch from clock_timestamp()) * 1000)::bigint as now`.execute(db)
  const now = rows[0]?.now
  if (now === undefined) throw new Error('unreachable: a select without a table gives one row')
  return now
}

function kyselyOver(pool: PostgresPool): Kysely<Database> {
  return new Kysely<Database>({ dialect: new PostgresDialect({ pool }), plugins: [new CamelCasePlugin()] })
}
