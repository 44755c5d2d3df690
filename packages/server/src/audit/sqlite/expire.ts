import { copyFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import Sqlite from 'better-sqlite3'
import { withoutEntries } from '../bundle.ts'
import { runsOf } from '../entry.ts'
import { type Expiry, expiredRows } from '../retention/expiry.ts'
import { headTables, type RecordTables, SEGMENT_TABLES } from './schema.ts'
import { makeDurable } from './segment-build.ts'
import { listHeads, listSegments, nextFile, type OpenSegments, type Segment } from './segments.ts'

/** So many go from a head in one transaction: ingest waits for some milliseconds only. */
const MOST_AT_ONCE = 2_000

/** An expiry in the numbers of the main file: a log has one for each of its generations. */
export interface NumberedExpiry extends Pick<Expiry, 'kinds' | 'before'> {
  log: number
  held: number[]
}

export function numberExpiries(database: Sqlite.Database, expiries: readonly Expiry[]): NumberedExpiry[] {
  const logs = database.prepare<[string], { id: number }>('select id from log where name = ?')
  const name = database.prepare<[string], { id: number }>('select id from name where text = ?')
  return expiries.flatMap(({ log, kinds, before, held }) => {
    const people = held.flatMap(text => name.get(text)?.id ?? [])
    return logs.all(log).map(({ id }) => ({ log: id, kinds, before, held: people }))
  })
}

/** Segments that hold something which has to go. */
export function expiringSegments(
  database: Sqlite.Database,
  opened: OpenSegments,
  expiries: readonly NumberedExpiry[],
): number[] {
  const holds = database.prepare('select 1 from segment_log where segment = ? and log = ?')
  return listSegments(database)
    .filter(segment =>
      expiries.some(
        expiry =>
          segment.minAt < expiry.before &&
          holds.get(segment.number, expiry.log) !== undefined &&
          opened
            .open(segment)
            .prepare(`select 1 ${expiredRows(SEGMENT_TABLES.row, expiry.held)} limit 1`)
            .get(...valuesOf(expiry)) !== undefined,
      ),
    )
    .map(({ number }) => number)
}

/** Takes what has to go out of the heads, a portion; gives how many records that were. */
export function expireInHeads(database: Sqlite.Database, expiries: readonly NumberedExpiry[]): number {
  return database.transaction(() => {
    let gone = 0
    for (const head of listHeads(database))
      for (const expiry of expiries) gone += expireIn(database, headTables(head), expiry, MOST_AT_ONCE - gone)
    return gone
  })()
}

/** What a segment is after records have gone from it. */
export type RebuiltSegment = Omit<Segment, 'firstSeq' | 'lastSeq'> & { gone: number }

/**
 * Builds a segment anew without what has to go: of those entries only the hashes stay, so that all others can be proved.
 * As with the first build, nothing refers to the file yet, and a crash leaves one that the next start removes.
 */
export function rebuildSegment(
  database: Sqlite.Database,
  directory: string,
  number: number,
  expiries: readonly NumberedExpiry[],
): RebuiltSegment {
  const segment = listSegments(database).find(each => each.number === number)
  if (!segment) throw new Error('unreachable: it was listed')
  const file = nextFile(segment)
  const draft = join(directory, `${file}.draft`)
  copyFileSync(join(directory, segment.file), draft)
  const copy = new Sqlite(draft)
  let gone = 0
  try {
    copy.pragma('journal_mode = OFF')
    copy.pragma('synchronous = OFF')
    copy.transaction(() => {
      for (const expiry of expiries) gone += expireIn(copy, SEGMENT_TABLES, expiry, -1)
    })()
    // What is gone is in no free page either.
    copy.exec('vacuum')
    const range = copy
      .prepare<[], { records: number; minAt: number | null; maxAt: number | null }>(
        `select count(*) as records, min(at) as minAt, max(at) as maxAt from ${SEGMENT_TABLES.row}`,
      )
      .get()
    copy.close()
    makeDurable(draft, join(directory, file), directory)
    const { minKey, maxKey } = segment
    const { records = 0, minAt, maxAt } = range ?? {}
    const bytes = statSync(join(directory, file)).size
    return {
      ...{ number, file, records, bytes, gone, minKey, maxKey },
      minAt: minAt ?? 0,
      maxAt: maxAt ?? -1,
    }
  } catch (error) {
    copy.close()
    rmSync(draft, { force: true })
    throw error
  }
}

/** Puts a segment that was built anew in the place of the one before. */
export function replaceSegment(database: Sqlite.Database, directory: string, rebuilt: RebuiltSegment): void {
  const { number, file, records, bytes, minAt, maxAt } = rebuilt
  const before = listSegments(database).find(each => each.number === number)
  database
    .prepare('update segment set file = ?, records = ?, bytes = ?, min_at = ?, max_at = ? where number = ?')
    .run(file, records, bytes, minAt, maxAt, number)
  if (before) rmSync(join(directory, before.file), { force: true })
}

function expireIn(
  database: Sqlite.Database,
  { row, term, bundle }: RecordTables,
  expiry: NumberedExpiry,
  limit: number,
): number {
  const rows = database
    .prepare<unknown[], { seq: number; idx: number }>(
      `select r.seq, r.idx ${expiredRows(row, expiry.held)} order by r.at limit ?`,
    )
    .all(...valuesOf(expiry), limit)
  if (rows.length === 0) return 0
  const drop = database.prepare<[number]>(`delete from ${row} where seq = ?`)
  for (const { seq } of rows) drop.run(seq)
  const gone = JSON.stringify(rows.map(({ seq }) => seq))
  database.prepare(`delete from ${term} where seq in (select value from json_each(?))`).run(gone)
  for (const run of runsOf(rows.map(({ idx }) => idx).sort((a, b) => a - b)))
    if (Array.isArray(run)) forget(database, bundle, expiry.log, run)
  return rows.length
}

type Bundle = { first: number; count: number; entries: Buffer; data: Buffer | null }

function forget(database: Sqlite.Database, table: string, log: number, run: [number, number]): void {
  const find = database.prepare<[number, number, number], Bundle>(
    `select first, count, entries, data from ${table} where log = ? and first < ? and first + count > ?`,
  )
  const put = database.prepare(`update ${table} set entries = ?, data = ? where log = ? and first = ?`)
  for (const held of find.all(log, run[0] + run[1], run[0])) {
    const { entries, data } = withoutEntries(held, run)
    put.run(entries, data, log, held.first)
  }
}

/** There are one or two kinds; the place of a second one is taken by the first. */
function valuesOf({ log, kinds, before }: NumberedExpiry): number[] {
  const [first = -1, second = first] = kinds
  return [log, first, second, before]
}
