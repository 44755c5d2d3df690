import { copyFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import Sqlite from 'better-sqlite3'
import { withoutData } from '../bundle.ts'
import type { Erasure } from '../proof/erase.ts'
import { headTables, SEGMENT_TABLES } from './schema.ts'
import { makeDurable } from './segment-build.ts'
import { listHeads, listSegments, nextFile, type Segment } from './segments.ts'

type Row = { first: number; count: number; data: Buffer | null }

/**
 * Erases what lies beside entries. In heads it is overwritten; a segment, which is never written to, gives place to a copy
 * without it. When this returns the old file is gone, and nothing of it is in the journal.
 */
export function eraseData(database: Sqlite.Database, directory: string, erasure: Erasure): void {
  const { id } =
    database
      .prepare<[string, number], { id: number }>('select id from log where name = ? and generation = ?')
      .get(erasure.log, erasure.generation) ?? {}
  if (id === undefined) return
  database.transaction(() => {
    for (const head of listHeads(database)) eraseIn(database, headTables(head).bundle, id, erasure)
  })()
  for (const segment of listSegments(database))
    if (holdsAny(database, segment, id, erasure)) replaceSegment(database, directory, segment, id, erasure)
  if (!database.memory) emptyJournal(database)
}

/** A question that is under way may be reading from the journal; what was erased is tried again until it is not there either. */
function emptyJournal(database: Sqlite.Database): void {
  const [result] = database.pragma('wal_checkpoint(TRUNCATE)') as { busy: number }[]
  if (result?.busy !== 0)
    throw new Error(
      'What was erased is still in the journal, which a question is reading. It is tried again.',
    )
}

function eraseIn(database: Sqlite.Database, table: string, log: number, { places }: Erasure): void {
  const find = database.prepare<[number, number, number], Row>(
    `select first, count, data from ${table} where log = ? and first < ? and first + count > ? and data is not null`,
  )
  const put = database.prepare(`update ${table} set data = ? where log = ? and first = ?`)
  for (const place of places)
    for (const row of find.all(log, place[0] + place[1], place[0]))
      put.run(withoutData(row, place), log, row.first)
}

function holdsAny(database: Sqlite.Database, { number }: Segment, log: number, { places }: Erasure): boolean {
  const range = database
    .prepare<[number, number], { first: number; last: number }>(
      'select first, last from segment_log where segment = ? and log = ?',
    )
    .get(number, log)
  return (
    range !== undefined && places.some(([first, count]) => first <= range.last && first + count > range.first)
  )
}

function replaceSegment(
  database: Sqlite.Database,
  directory: string,
  segment: Segment,
  log: number,
  erasure: Erasure,
): void {
  const { number, file } = segment
  const next = nextFile(segment)
  const draft = join(directory, `${next}.draft`)
  copyFileSync(join(directory, file), draft)
  const copy = new Sqlite(draft)
  try {
    copy.pragma('journal_mode = OFF')
    copy.pragma('synchronous = OFF')
    copy.pragma('secure_delete = ON')
    eraseIn(copy, SEGMENT_TABLES.bundle, log, erasure)
  } finally {
    copy.close()
  }
  makeDurable(draft, join(directory, next), directory)
  const bytes = statSync(join(directory, next)).size
  database.prepare('update segment set file = ?, bytes = ? where number = ?').run(next, bytes, number)
  rmSync(join(directory, file), { force: true })
}
