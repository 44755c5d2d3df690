import type Sqlite from 'better-sqlite3'
import { cutAtTiles, packData, packEntries } from '../bundle.ts'
import type { Gap } from '../counters.ts'
import { type Entry, NAMED } from '../entry.ts'
import type { IndexedEntry, LedgerTx } from '../ingest.ts'
import { findStored } from './find-stored.ts'
import type { Names } from './names.ts'
import { headTables, ROW_COLUMNS } from './schema.ts'
import type { OpenSegments, Segment } from './segments.ts'

/** What the thread that writes has in memory; changed by a transaction only once that is committed. */
export interface WriterState {
  database: Sqlite.Database
  names: Names
  opened: OpenSegments
  segments: Segment[]
  /** All heads, the last one being written to. */
  heads: number[]
  /** Numbers of logs by name, of the newest generation each. */
  logs: Map<string, { id: number; entries: number }>
  nextSeq: number
  headRecords: number
  hasOdd: boolean
  now(): number
}

/** One transaction's statements. What it would change of the state is handed out, to be taken over after the commit. */
export interface StoreTx extends LedgerTx {
  changes(): Pick<WriterState, 'nextSeq' | 'headRecords' | 'hasOdd'> & {
    logs: WriterState['logs']
    hashes: { log: number; first: number; bytes: Buffer }[]
  }
}

/** Statements are prepared once a head; SQLite keeps their plans. */
export function createStatements(state: WriterState) {
  const { database, heads } = state
  const head = heads.at(-1) ?? 1
  const { row, term, bundle } = headTables(head)
  const marks = ROW_COLUMNS.map(() => '?').join(', ')
  const findIn = (table: string) =>
    database.prepare<[Buffer, number], { log: number; idx: number }>(
      `select log, idx from ${table} where key = ? and kind = ?`,
    )
  return {
    head,
    insertRow: database.prepare<unknown[]>(
      `insert into ${row} (${ROW_COLUMNS.join(', ')}) values (${marks})`,
    ),
    insertTerm: database.prepare<[number, number, number]>(
      `insert into ${term} (term, at, seq) values (?, ?, ?)`,
    ),
    insertBundle: database.prepare<unknown[]>(
      `insert into ${bundle} (log, first, count, entries, data) values (?, ?, ?, ?, ?)`,
    ),
    insertOdd: database.prepare<unknown[]>('insert into odd (key, kind, log, idx) values (?, ?, ?, ?)'),
    insertLog: database.prepare<[string]>(
      `insert into log (name, generation, entries, size, edge, root) values (?, 1, 0, 0, x'', x'')`,
    ),
    extendLog: database.prepare<[number, number]>('update log set entries = ? where id = ?'),
    findInHeads: heads.map(number => findIn(headTables(number).row)).reverse(),
    findOdd: findIn('odd'),
    counters: prepareCounters(database),
  }
}
export type Statements = ReturnType<typeof createStatements>

function prepareCounters(database: Sqlite.Database) {
  return {
    highest: database.prepare<[string, number], { highest: number }>(
      'select highest from point where point = ? and epoch = ?',
    ),
    gaps: database.prepare<[string, number, number, number], Gap>(
      'select first, last from gap where point = ? and epoch = ? and last >= ? and first <= ? order by first',
    ),
    raise: database.prepare(
      `insert into point (point, epoch, highest) values (?, ?, ?)
       on conflict (point, epoch) do update set highest = excluded.highest`,
    ),
    close: database.prepare('delete from gap where point = ? and epoch = ? and first = ?'),
    open: database.prepare('insert into gap (point, epoch, first, last) values (?, ?, ?, ?)'),
    standing: database.prepare<unknown[], { counter: number | null; missing: number }>(
      `select
         coalesce((select min(first) - 1 from gap where point = ? and epoch = ?),
                  (select highest from point where point = ? and epoch = ?)) as counter,
         coalesce((select sum(last - first + 1) from gap where point = ?), 0) as missing`,
    ),
  }
}

export function createStoreTx(state: WriterState, statements: Statements): StoreTx {
  const logs = new Map<string, { id: number; entries: number }>()
  const hashes: ReturnType<StoreTx['changes']>['hashes'] = []
  let { nextSeq, headRecords, hasOdd } = state
  const logOf = (name: string) => {
    const known = logs.get(name) ?? state.logs.get(name)
    if (known) return known
    const made = { id: Number(statements.insertLog.run(name).lastInsertRowid), entries: 0 }
    logs.set(name, made)
    return made
  }
  return {
    ...counterMethods(statements.counters),
    find: entries => findStored(state, statements, entries),
    reserve(counts) {
      const firsts = new Map<string, number>()
      for (const [name, count] of counts) {
        const { id, entries } = logOf(name)
        firsts.set(name, entries)
        logs.set(name, { id, entries: entries + count })
        statements.extendLog.run(entries + count, id)
      }
      return firsts
    },
    insert(entries) {
      const receivedAt = state.now()
      for (const { entry, index } of entries) {
        const log = logOf(entry.log).id
        statements.insertRow.run(...rowValues(state.names, entry, { seq: nextSeq, log, index, receivedAt }))
        for (const term of entry.terms) statements.insertTerm.run(term, entry.at, nextSeq)
        if (entry.isOdd) {
          statements.insertOdd.run(entry.key, entry.kind, log, index)
          hasOdd = true
        }
        nextSeq++
        headRecords++
      }
      for (const [name, ofLog] of Map.groupBy(entries, ({ entry }) => entry.log)) {
        const [log, first] = [logOf(name).id, ofLog[0]?.index ?? 0]
        insertBundles(statements, log, ofLog)
        hashes.push({ log, first, bytes: Buffer.concat(ofLog.map(({ entry }) => entry.hash)) })
      }
    },
    changes: () => ({ logs, hashes, nextSeq, headRecords, hasOdd }),
  }
}

function rowValues(
  names: Names,
  entry: Entry,
  place: { seq: number; log: number; index: number; receivedAt: number },
): unknown[] {
  const { at, kind, key, verdict, passed, took } = entry
  const { seq, log, index, receivedAt } = place
  const values: unknown[] = [seq, at, receivedAt - at, log, index, kind, key, verdict, passed, took]
  for (const name of NAMED) {
    const text = entry.names[name]
    values.push(text === null || text === undefined ? null : names.put(text))
  }
  return values
}

function insertBundles(statements: Statements, log: number, entries: readonly IndexedEntry[]): void {
  for (const { first, entries: cut } of cutAtTiles(entries[0]?.index ?? 0, entries))
    statements.insertBundle.run(
      log,
      first,
      cut.length,
      packEntries(cut.map(({ entry }) => entry)),
      packData(
        cut.map(({ entry: { data, dataKey } }) =>
          data === null || dataKey === null ? null : { data, key: dataKey },
        ),
      ),
    )
}

function counterMethods(
  statements: Statements['counters'],
): Pick<LedgerTx, 'received' | 'saveReceived' | 'standing'> {
  return {
    received: (point, epoch, range) => ({
      highest: statements.highest.get(point, epoch)?.highest ?? 0,
      gaps: statements.gaps.all(point, epoch, range.first, range.last),
    }),
    saveReceived(point, epoch, highest, closed, opened) {
      statements.raise.run(point, epoch, highest)
      for (const gap of closed) statements.close.run(point, epoch, gap.first)
      for (const gap of opened) statements.open.run(point, epoch, gap.first, gap.last)
    },
    standing(point, epoch) {
      const row = statements.standing.get(point, epoch, point, epoch, point)
      return { counter: row?.counter ?? 0, missing: row?.missing ?? 0 }
    },
  }
}
