import type Sqlite from 'better-sqlite3'
import type { Batch, Entry } from '../entry.ts'
import { appendEntries, type Ingested, ingestBatch, type LedgerTx } from '../ingest.ts'
import { createFreshHashes, type FreshHashes } from './fresh-hashes.ts'
import { createNames } from './names.ts'
import { createHead, headTables } from './schema.ts'
import { listHeads, listSegments, type OpenSegments } from './segments.ts'
import { createStatements, createStoreTx, type WriterState } from './store-tx.ts'

/** Takes records in, one transaction at a time. */
export interface Writer {
  readonly state: WriterState
  /** Of what is written here and in no tree yet. */
  readonly fresh: FreshHashes
  ingest(batches: readonly Batch[]): Promise<Ingested[]>
  append(entries: readonly Entry[]): Promise<void>
  /** Takes over what another writer of this thread changed: heads, segments, logs. */
  reload(): void
}

export function createWriter(
  database: Sqlite.Database,
  opened: OpenSegments,
  options: { now(): number; headRecords: number },
): Writer {
  const state = loadState(database, opened, options.now)
  const fresh = createFreshHashes()
  let statements = createStatements(state)

  function reload(): void {
    Object.assign(state, loadState(database, opened, options.now), { names: state.names })
    statements = createStatements(state)
  }

  async function write<T>(work: (tx: LedgerTx) => Promise<T>): Promise<T> {
    if (state.headRecords >= options.headRecords) beginHead()
    database.exec('begin immediate')
    try {
      const tx = createStoreTx(state, statements)
      const value = await work(tx)
      database.exec('commit')
      const { logs, hashes, ...changes } = tx.changes()
      Object.assign(state, changes)
      for (const [name, log] of logs) state.logs.set(name, log)
      for (const { log, first, bytes } of hashes) fresh.put(log, first, bytes)
      state.names.commit()
      return value
    } catch (error) {
      // A full disk may have rolled back already.
      if (database.inTransaction) database.exec('rollback')
      state.names.rollback()
      throw error
    }
  }

  /** The next head is written to from now on; the one before waits to become a segment. */
  function beginHead(): void {
    const next = (state.heads.at(-1) ?? 0) + 1
    database.transaction(() => {
      for (const statement of createHead(next)) database.exec(statement)
      database.prepare('insert into head (number) values (?)').run(next)
    })()
    reload()
  }

  return {
    state,
    fresh,
    reload,
    ingest: batches =>
      write(async tx => {
        const results: Ingested[] = []
        for (const batch of batches) results.push(await ingestBatch(tx, batch))
        return results
      }),
    append: entries => write(tx => appendEntries(tx, entries)),
  }
}

function loadState(database: Sqlite.Database, opened: OpenSegments, now: () => number): WriterState {
  const heads = listHeads(database)
  const segments = listSegments(database)
  const { row } = headTables(heads.at(-1) ?? 1)
  const { headRecords } = database
    .prepare<[], { headRecords: number }>(`select count(*) as headRecords from ${row}`)
    .get() ?? { headRecords: 0 }
  const seqs = heads.map(head =>
    database
      .prepare<[], { last: number | null }>(`select max(seq) as last from ${headTables(head).row}`)
      .get(),
  )
  const lastSeq = Math.max(0, ...seqs.map(seq => seq?.last ?? 0), ...segments.map(segment => segment.lastSeq))
  const logs = database
    .prepare<[], { name: string; id: number; entries: number }>(
      'select name, id, entries from log order by generation',
    )
    .all()
  return {
    ...{ database, opened, segments, heads, headRecords, now },
    names: createNames(database),
    logs: new Map(logs.map(({ name, id, entries }) => [name, { id, entries }])),
    nextSeq: lastSeq + 1,
    hasOdd: database.prepare('select 1 from odd limit 1').get() !== undefined,
  }
}
