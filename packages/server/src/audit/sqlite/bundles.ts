import type Sqlite from 'better-sqlite3'
import { hashesIn, type StoredData, type StoredEntry, unpackData, unpackEntries } from '../bundle.ts'
import type { LogEntry } from '../ledger.ts'
import { headTables, SEGMENT_TABLES } from './schema.ts'
import { type OpenSegments, prepareOnce } from './segments.ts'

/** What is looked into: the main file with its heads, and the segments beside it. */
export interface View {
  database: Sqlite.Database
  opened: OpenSegments
  heads: readonly number[]
}

interface Bundle {
  first: number
  count: number
  entries: () => StoredEntry[]
  hashes: () => Buffer[]
  data: () => StoredData[]
}

/** Reads entries of logs, wherever they lie. */
export interface BundleReader {
  entry(log: number, index: number): StoredEntry
  /** What the log knows it by. */
  hash(log: number, index: number): Buffer
  /** The entry with what lies beside it. */
  whole(log: number, index: number): LogEntry
}

type Row = { first: number; count: number; entries: Buffer; data: Buffer | null }
type FindBundle = Sqlite.Statement<[number, number], Row>

/** For one question or one transaction: it knows the heads of that moment, and remembers the last bundle that it opened. */
export function createBundleReader({ database, opened, heads }: View): BundleReader {
  const inHeads: FindBundle[] = heads
    .map((head): FindBundle => database.prepare(findText(headTables(head).bundle)))
    .reverse()
  const findSegment = database.prepare<[number, number], { file: string; last: number }>(
    `select file, last from segment_log join segment on segment.number = segment_log.segment
     where log = ? and first <= ? order by first desc limit 1`,
  )
  let remembered: (Bundle & { log: number }) | undefined

  function find(log: number, index: number): Row | undefined {
    for (const statement of inHeads) {
      const row = statement.get(log, index)
      if (row && index < row.first + row.count) return row
    }
    const segment = findSegment.get(log, index)
    if (!segment || index > segment.last) return undefined
    return prepareOnce(opened.open(segment), findText(SEGMENT_TABLES.bundle)).get(log, index) as
      | Row
      | undefined
  }

  function bundleOf(log: number, index: number): Bundle {
    const isRemembered =
      remembered?.log === log && index >= remembered.first && index < remembered.first + remembered.count
    if (remembered && isRemembered) return remembered
    const row = find(log, index)
    if (!row) throw new Error(`unreachable: entry ${index} of log ${log} is not stored`)
    const { first, count } = row
    remembered = {
      ...{ log, first, count },
      entries: once(() => unpackEntries(row.entries)),
      hashes: once(() => hashesIn(row.entries)),
      data: once(() => unpackData(row.data, count)),
    }
    return remembered
  }

  function at<T>(all: readonly T[], { first }: Bundle, index: number): T {
    const one = all[index - first]
    if (one === undefined) throw new Error(`unreachable: bundle ${first} does not reach entry ${index}`)
    return one
  }

  return {
    entry(log, index) {
      const bundle = bundleOf(log, index)
      return at(bundle.entries(), bundle, index)
    },
    hash(log, index) {
      const bundle = bundleOf(log, index)
      return at(bundle.hashes(), bundle, index)
    },
    whole(log, index) {
      const bundle = bundleOf(log, index)
      return { entry: at(bundle.entries(), bundle, index), data: bundle.data()[index - bundle.first] ?? null }
    },
  }
}

function findText(table: string): string {
  return `select first, count, entries, data from ${table} where log = ? and first <= ? order by first desc limit 1`
}

function once<T>(make: () => T): () => T {
  let made: { value: T } | undefined
  return () => {
    made ??= { value: make() }
    return made.value
  }
}
