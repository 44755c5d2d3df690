import { closeSync, fsyncSync, openSync, renameSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import Sqlite from 'better-sqlite3'
import {
  cutAtTiles,
  packData,
  packEntries,
  type StoredData,
  type StoredEntry,
  unpackData,
  unpackEntries,
} from '../bundle.ts'
import { createSegment, dropHead, headTables, indexSegment, ROW_COLUMNS, SEGMENT_TABLES } from './schema.ts'
import type { Segment } from './segments.ts'

/** What a segment that was built holds of each log. */
export interface LogRange {
  log: number
  first: number
  last: number
}

export interface BuiltSegment extends Segment {
  logs: LogRange[]
}

/** Spends more on space than ingest does. More than this costs five times the time and saves a twenty-fifth of the space. */
const LEVEL = 3

/**
 * Builds a segment of all that a head holds, beside it: records with their indexes, entries packed by tiles. The file is
 * durable under its name when this returns, and nothing refers to it yet. A crash leaves a file that the next start removes.
 */
export function buildSegment(main: string, directory: string, head: number): BuiltSegment {
  const file = `segment-${head}.db`
  const draft = join(directory, `${file}.draft`)
  rmSync(draft, { force: true })
  closeSync(openSync(draft, 'wx', 0o600))
  const database = new Sqlite(draft)
  try {
    database.pragma('page_size = 8192')
    database.pragma('journal_mode = OFF')
    database.pragma('synchronous = OFF')
    database.pragma('cache_size = -64000')
    database.prepare('attach ? as source').run(main)
    const built = database.transaction(() => fill(database, head))()
    database.exec('detach source')
    database.close()
    makeDurable(draft, join(directory, file), directory)
    return { ...built, number: head, file, bytes: statSync(join(directory, file)).size }
  } catch (error) {
    database.close()
    rmSync(draft, { force: true })
    throw error
  }
}

function fill(database: Sqlite.Database, head: number): Omit<BuiltSegment, 'number' | 'file' | 'bytes'> {
  const source = headTables(head)
  const { row, term } = SEGMENT_TABLES
  for (const statement of createSegment('main')) database.exec(statement)
  const columns = ROW_COLUMNS.join(', ')
  database.exec(`insert into ${row} (${columns}) select ${columns} from source.${source.row} order by seq`)
  database.exec(
    `insert into ${term} select distinct term, at, seq from source.${source.term} order by term, at, seq`,
  )
  copyBundles(database, source.bundle)
  for (const statement of indexSegment('main')) database.exec(statement)
  database.exec('analyze main')
  const range = database
    .prepare<[], Omit<BuiltSegment, 'number' | 'file' | 'bytes' | 'logs' | 'minKey' | 'maxKey'>>(
      `select count(*) as records, min(seq) as firstSeq, max(seq) as lastSeq, min(at) as minAt, max(at) as maxAt
       from ${row}`,
    )
    .get()
  const keys = database
    .prepare<[], Pick<Segment, 'minKey' | 'maxKey'>>(
      `select min(key) as minKey, max(key) as maxKey from ${row} as r
       where not exists (select 1 from source.odd where odd.key = r.key and odd.kind = r.kind)`,
    )
    .get()
  const logs = database
    .prepare<[], LogRange>(`select log, min(idx) as first, max(idx) as last from ${row} group by log`)
    .all()
  if (!range || !keys || range.records === 0) throw new Error('unreachable: a head is built once it is full')
  return { ...range, ...keys, logs }
}

/** Cuts anew by tiles what came in shipments of any size, and packs it tighter. */
function copyBundles(database: Sqlite.Database, source: string): void {
  type Row = { log: number; first: number; count: number; entries: Buffer; data: Buffer | null }
  const rows = database.prepare<[], Row>(
    `select log, first, count, entries, data from source.${source} order by log, first`,
  )
  const insert = database.prepare<unknown[]>(
    `insert into ${SEGMENT_TABLES.bundle} (log, first, count, entries, data) values (?, ?, ?, ?, ?)`,
  )
  let open = { log: -1, first: 0, entries: [] as StoredEntry[], data: [] as StoredData[] }
  const flush = () => {
    const { log, first, entries, data } = open
    if (entries.length > 0)
      insert.run(log, first, entries.length, packEntries(entries, LEVEL), packData(data, LEVEL))
  }
  for (const row of rows.all()) {
    const pairs = unpackEntries(row.entries).map((entry, i) => ({ entry, i }))
    const data = unpackData(row.data, row.count)
    for (const { first, entries: cut } of cutAtTiles(row.first, pairs)) {
      const isNext = open.log === row.log && first === open.first + open.entries.length && first % 256 !== 0
      if (!isNext) {
        flush()
        open = { log: row.log, first, entries: [], data: [] }
      }
      for (const { entry, i } of cut) {
        open.entries.push(entry)
        open.data.push(data[i] ?? null)
      }
    }
  }
  flush()
}

/** Gives a finished file its name; it is on the disk, and so is the name. */
export function makeDurable(draft: string, path: string, directory: string): void {
  sync(draft)
  renameSync(draft, path)
  if (process.platform !== 'win32') sync(directory)
}

function sync(path: string): void {
  const descriptor = openSync(path, 'r')
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

/** Puts a segment in the place of its head, in one transaction of the main file. */
export function publishSegment(database: Sqlite.Database, built: BuiltSegment): void {
  const { number, file, records, bytes, firstSeq, lastSeq, minAt, maxAt, minKey, maxKey, logs } = built
  database.transaction(() => {
    database
      .prepare(
        `insert into segment (number, file, records, bytes, first_seq, last_seq, min_at, max_at, min_key, max_key)
         values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      )
      .run(number, file, records, bytes, firstSeq, lastSeq, minAt, maxAt, minKey, maxKey)
    const insert = database.prepare('insert into segment_log (log, first, last, segment) values (?, ?, ?, ?)')
    for (const { log, first, last } of logs) insert.run(log, first, last, number)
    database.prepare('delete from head where number = ?').run(number)
    for (const statement of dropHead(number)) database.exec(statement)
  })()
}
