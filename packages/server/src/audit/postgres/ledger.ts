import { isoTime } from '@valetkey/sdk/core'
import { sql } from 'kysely'
import type { Store, Tx } from '../../store/index.ts'
import { available } from '../available.ts'
import type { Entry } from '../entry.ts'
import { appendEntries, type Ingested, ingestBatch } from '../ingest.ts'
import type { Ledger } from '../ledger.ts'
import { createTerms } from '../terms.ts'
import { expireRecords, standStill } from './expire.ts'
import {
  beginGeneration,
  eraseData,
  growLogs,
  keepNotes,
  listAnchors,
  listLogs,
  listUnsigned,
  readEntries,
  readTile,
} from './logs.ts'
import { createNames } from './names.ts'
import { ask, lookUp, summarize } from './reader.ts'
import { createWeek, MIGRATIONS, weekOf } from './schema.ts'
import { createStoreTx, textsOf } from './store-tx.ts'

/** The evidence in tables beside the facts, in the same database and through the same connections; any number of nodes. */
export async function openPostgresLedger(
  store: Store,
  options: { secret: string; now(): number },
): Promise<Ledger> {
  const { now } = options
  await available(store.write(tx => migrate(tx, now())))
  const names = createNames(store)
  const terms = createTerms(options.secret)
  const weeks = createWeeks(store)

  async function prepare(entries: readonly Entry[], at: number): Promise<ReadonlyMap<string, number>> {
    await weeks.ensure([at, ...entries.map(entry => entry.at)])
    return names.put(entries.flatMap(textsOf))
  }

  async function ingest(batches: Parameters<Ledger['ingest']>[0]): Promise<Ingested[]> {
    const results: Ingested[] = []
    for (const batch of batches) {
      const entries = batch.deliveries.flatMap(delivery => delivery.entries)
      const ids = await prepare(entries, batch.receivedAt)
      const write = () => store.write(tx => ingestBatch(createStoreTx(tx, ids, batch.receivedAt), batch))
      results.push(
        await write().catch(async error => {
          if (!isWithoutPartition(error)) throw error
          // It was there, and dropped since: its time is over.
          weeks.forget()
          await prepare(entries, batch.receivedAt)
          return write()
        }),
      )
    }
    return results
  }

  return {
    ingest: batches => available(ingest(batches)),
    async append(entries) {
      const at = now()
      const ids = await available(prepare(entries, at))
      await available(store.write(tx => appendEntries(createStoreTx(tx, ids, at), entries)))
    },
    async missing() {
      const { rows } = await sql<{ missing: number }>`
        select coalesce(sum(last - first + 1), 0) as missing from audit_gap`.execute(store.db)
      return rows[0]?.missing ?? 0
    },
    grow: () => available(growLogs(store)),
    logs: names => available(listLogs(store.db, names)),
    unsigned: () => available(listUnsigned(store.db)),
    keepNotes: notes => available(store.write(tx => keepNotes(tx, notes))),
    anchors: log => available(listAnchors(store.db, log)),
    tile: (log, level, index) => available(readTile(store.db, log, level, index)),
    entries: (log, from, to) => available(readEntries(store.db, log, from, to)),
    erase: erasure => available(store.write(tx => eraseData(tx, erasure))),
    expire: expiries => available(expireRecords(store, names, expiries)),
    standStill,
    async beginGeneration(name) {
      await available(store.write(tx => beginGeneration(tx, name)))
      const begun = (await available(listLogs(store.db, [name]))).at(-1)
      if (!begun) throw new Error('unreachable: it was begun')
      return begun
    },
    ask: question => available(ask(store, names, terms, question)),
    summarize: question => available(summarize(store, names, terms, question)),
    lookUp: id => available(lookUp(store, names, id)),
    close: async () => undefined,
  }
}

/** Of two nodes that start at once one makes the tables; the other waits and finds them. */
async function migrate(tx: Tx, now: number): Promise<void> {
  await sql`select pg_advisory_xact_lock(7310949)`.execute(tx)
  await sql`create table if not exists audit_migration (number integer primary key, at text not null)`.execute(
    tx,
  )
  const { rows } = await sql<{
    last: number | null
  }>`select max(number) as last from audit_migration`.execute(tx)
  const done = rows[0]?.last ?? 0
  if (done > MIGRATIONS.length)
    throw new Error(
      `The audit tables are at version ${done}, this program knows ${MIGRATIONS.length}. Start the newer program.`,
    )
  for (const [index, statements] of MIGRATIONS.entries()) {
    if (index < done) continue
    for (const statement of statements) await sql.raw(statement).execute(tx)
    await sql`insert into audit_migration (number, at) values (${index + 1}, ${isoTime(now)})`.execute(tx)
  }
}

/** PostgreSQL: no partition of the relation takes the row. */
function isWithoutPartition(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause)
    if ('code' in cause && cause.code === '23514') return true
  return false
}

/** Makes the partition of a week before the first record of it comes, and the next one ahead of time. */
function createWeeks(store: Store) {
  const known = new Set<number>()
  return {
    forget: () => known.clear(),
    async ensure(times: readonly number[]): Promise<void> {
      const wanted = new Set(times.map(weekOf))
      for (const week of wanted) {
        if (known.has(week)) continue
        await store.write(async tx => {
          await sql`select pg_advisory_xact_lock(7310950)`.execute(tx)
          for (const statement of createWeek(week)) await sql.raw(statement).execute(tx)
          await sql`insert into audit_week (week) values (${week}) on conflict do nothing`.execute(tx)
        })
        known.add(week)
      }
    },
  }
}
