import { randomUUID } from 'node:crypto'
import { AppError, isoTime } from '@valetkey/sdk/core'
import { type Kysely, sql } from 'kysely'
import * as first from './migrations/0001-first.ts'
import * as resources from './migrations/0002-resources.ts'
import * as people from './migrations/0003-people.ts'
import * as signIn from './migrations/0004-sign-in.ts'
import * as federation from './migrations/0005-federation.ts'
import * as signingKeys from './migrations/0007-signing-keys.ts'
import * as requests from './migrations/0008-requests.ts'
import * as consent from './migrations/0009-consent.ts'
import * as observation from './migrations/0010-observation.ts'
import * as delegations from './migrations/0011-delegations.ts'
import * as evidence from './migrations/0012-evidence.ts'
import * as waitingRequests from './migrations/0014-waiting-requests.ts'
import * as trustedIssuers from './migrations/0015-trusted-issuers.ts'
import * as signals from './migrations/0016-signals.ts'
import * as history from './migrations/0018-history.ts'
import * as sinks from './migrations/0020-sinks.ts'
import * as baseline from './migrations/0021-baseline.ts'
import * as forwards from './migrations/0022-forwards.ts'
import * as sourceClients from './migrations/0023-source-clients.ts'
import * as logKeyStatements from './migrations/0025-log-key-statements.ts'
import type { Database } from './schema.ts'
import type { Tx } from './store.ts'

/** Forward only; never edited after a release. */
const MIGRATIONS: readonly Migration[] = [
  first,
  resources,
  people,
  signIn,
  federation,
  signingKeys,
  requests,
  consent,
  observation,
  delegations,
  evidence,
  waitingRequests,
  trustedIssuers,
  signals,
  history,
  sinks,
  baseline,
  forwards,
  sourceClients,
  logKeyStatements,
]

interface Migration {
  up(tx: Tx, define: (statement: string) => Promise<void>): Promise<void>
}

/**
 * Brings the tables up to date in one transaction that holds a lock, so that of two nodes that start at once one
 * migrates and the other waits and finds nothing to do. A database of a newer version is refused.
 */
export async function migrate(
  db: Kysely<Database>,
  dialect: 'sqlite' | 'postgres',
  now: () => number,
): Promise<{ instanceId: string }> {
  return db.transaction().execute(async tx => {
    if (dialect === 'postgres') await sql`select pg_advisory_xact_lock(7310948)`.execute(tx)
    await sql`create table if not exists migration (number integer primary key, at text not null)`.execute(tx)
    const { rows } = await sql<{ last: number | null }>`select max(number) as last from migration`.execute(tx)
    const done = rows[0]?.last ?? 0
    if (done > MIGRATIONS.length)
      throw new AppError(
        'store.newer',
        `The database is at version ${done}, this program knows ${MIGRATIONS.length}. Start the newer program.`,
      )
    for (const [index, migration] of MIGRATIONS.entries()) {
      if (index < done) continue
      await migration.up(tx, statement => define(tx, dialect, statement))
      await sql`insert into migration (number, at) values (${index + 1}, ${isoTime(now())})`.execute(tx)
    }
    if (done === 0) await seed(tx, isoTime(now()))
    const { value } = await tx
      .selectFrom('setting')
      .select('value')
      .where('key', '=', 'instance')
      .executeTakeFirstOrThrow()
    return { instanceId: value }
  })
}

/**
 * PostgreSQL compares text by the rules of a language unless told otherwise; then pages would be cut in other places
 * than on SQLite, and an upgrade of the operating system could break the indexes. Hidden row numbers only SQLite has.
 */
async function define(tx: Tx, dialect: 'sqlite' | 'postgres', statement: string): Promise<void> {
  const text =
    dialect === 'postgres'
      ? statement.replaceAll(/\btext\b/g, 'text collate "C"').replace(/ without rowid$/, '')
      : statement
  await sql.raw(text).execute(tx)
}

/** What every database holds from its first moment: its name, the catalogue, the type of every organization's root. */
async function seed(tx: Tx, createdAt: string): Promise<void> {
  await tx.insertInto('setting').values({ key: 'instance', value: randomUUID() }).execute()
  await tx
    .insertInto('organization')
    .values({ id: 'catalogue', seq: 0, slug: 'catalogue', name: 'Catalogue', status: 'active', createdAt })
    .execute()
  await tx
    .insertInto('resourceType')
    .values({ id: 'organization', slug: 'organization', name: 'Organization' })
    .execute()
}
