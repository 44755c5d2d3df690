import type Sqlite from 'better-sqlite3'
import { KIND, NAMED } from '../entry.ts'
import { narrow, textsOf } from '../question/narrow.ts'
import type {
  Answer,
  FoundRecord,
  GroupColumn,
  Question,
  RecordFilter,
  Summary,
  SummaryQuestion,
} from '../question/rows.ts'
import { countRows, exactTest, type Searched, type Source, searchRows } from '../question/search.ts'
import type { RowFilter } from '../question/sql.ts'
import { keyOf } from '../record-key.ts'
import type { Terms } from '../terms.ts'
import { createBundleReader, type View } from './bundles.ts'
import { headTables, SEGMENT_TABLES } from './schema.ts'
import {
  listHeads,
  listSegments,
  type OpenSegments,
  prepareOnce,
  readSegments,
  type Segment,
} from './segments.ts'

/** Answers questions; each sees what was committed when it began. */
export interface Reader {
  ask(question: Question): Promise<Answer>
  summarize(question: SummaryQuestion): Promise<Summary>
  lookUp(id: string): Promise<FoundRecord[]>
}

interface Moment extends View {
  segments: Segment[]
}

export function createReader(database: Sqlite.Database, opened: OpenSegments, terms: Terms): Reader {
  /** Runs one question on the heads and segments of one moment. */
  function at<T>(work: (moment: Moment) => Promise<T>): Promise<T> {
    return readSegments(() => inTransaction(work))
  }

  async function inTransaction<T>(work: (moment: Moment) => Promise<T>): Promise<T> {
    const isOwn = !database.inTransaction
    if (isOwn) database.exec('begin')
    try {
      const segments = listSegments(database)
      opened.keep(new Set(segments.map(({ file }) => file)))
      return await work({ database, opened, heads: listHeads(database), segments })
    } finally {
      if (isOwn) database.exec('commit')
    }
  }

  return {
    ask: ({ filter, limit, after }) =>
      at(async moment => {
        const rows = narrowed(moment, filter, terms)
        const searched = searchedFor(moment, rows)
        const found = await searchRows(searched, rows, { limit, after, test: exactTest(filter) })
        return { ...found, rows: found.rows.map(row => complete(moment, row)) }
      }),
    summarize: ({ filter, by, shift, limit }) =>
      at(async moment => {
        const rows = narrowed(moment, filter, terms)
        const searched = searchedFor(moment, rows)
        const { groups, ...more } = await countRows(searched, rows, {
          ...{ by, limit, test: exactTest(filter) },
          ...(shift !== undefined && { shift }),
        })
        const texts = by.map(column => textIn(database, column))
        const keys = (group: (typeof groups)[number]) =>
          group.keys.map((key, i) => (typeof key === 'number' ? (texts[i]?.(key) ?? key) : key))
        return { groups: groups.map(group => ({ ...group, keys: keys(group) })), ...more }
      }),
    lookUp: id => at(async moment => lookUp(moment, id)),
  }
}

function narrowed({ database }: Moment, filter: RecordFilter, terms: Terms): RowFilter {
  const find = database.prepare<[string], { id: number }>('select id from name where text = ?')
  const names = new Map<string, number>()
  for (const text of textsOf(filter)) {
    const row = find.get(text)
    if (row) names.set(text, row.id)
  }
  const logs = new Map<string, number[]>()
  for (const { id, name } of database
    .prepare<[], { id: number; name: string }>('select id, name from log')
    .all())
    logs.set(name, [...(logs.get(name) ?? []), id])
  return narrow(filter, { names, logs }, terms)
}

/** Heads first: what came last is there. A segment that holds nothing of the logs asked for is not opened. */
function searchedFor(moment: Moment, { logs }: RowFilter): Searched {
  const { database, opened, heads, segments } = moment
  const held = logs?.any
    ? new Set(
        logs.any.flatMap(log =>
          database
            .prepare<[number], { segment: number }>('select segment from segment_log where log = ?')
            .all(log)
            .map(({ segment }) => segment),
        ),
      )
    : null
  const inHeads = heads.map(head => {
    const tables = headTables(head)
    const range = database
      .prepare<[], { minAt: number | null; maxAt: number | null }>(
        `select min(at) as minAt, max(at) as maxAt from ${tables.row}`,
      )
      .get()
    return source(database, tables, { minAt: range?.minAt ?? 0, maxAt: range?.maxAt ?? -1 })
  })
  const inSegments = segments
    .filter(({ number }) => held?.has(number) ?? true)
    .map((segment): Source => {
      const { minAt, maxAt } = segment
      const run: Source['run'] = ({ text, values }) =>
        opened
          .open(segment)
          .prepare(text)
          .all(...values)
      return { tables: SEGMENT_TABLES, minAt, maxAt, isSlice: false, run }
    })
  const bundles = createBundleReader(moment)
  return {
    sources: [...inHeads, ...inSegments].sort((a, b) => b.maxAt - a.maxAt),
    entry: (log, index) => bundles.whole(log, index),
  }
}

function source(
  database: Sqlite.Database,
  tables: Source['tables'],
  range: Pick<Source, 'minAt' | 'maxAt'>,
): Source {
  return {
    tables,
    ...range,
    isSlice: false,
    run: ({ text, values }) => database.prepare(text).all(...values),
  }
}

/** What the numbers of a column stand for; undefined where they are numbers. */
function textIn(database: Sqlite.Database, column: GroupColumn): ((id: number) => string) | undefined {
  if ((NAMED as readonly string[]).includes(column)) return nameIn(database)
  if (column !== 'log') return undefined
  const find = database.prepare<[number], { name: string }>('select name from log where id = ?')
  return id => find.get(id)?.name ?? ''
}

function nameIn(database: Sqlite.Database): (id: number) => string {
  const find = database.prepare<[number], { text: string }>('select text from name where id = ?')
  return id => find.get(id)?.text ?? ''
}

type Unnamed<R extends FoundRecord> = Omit<R, 'outcome' | 'point'> & { point: number | null }
interface KeyedRow {
  seq: number
  at: number
  lag: number
  log: number
  idx: number
  kind: FoundRecord['kind']
  point: number | null
  reason: number | null
  took: number | null
}

const HOUR_MS = 3_600_000

/** Outcomes follow within this, as far as lists look; of one call all is looked for. */
const OUTCOME_WITHIN_MS = 24 * 3_600_000

/** Puts to a call how it ended: the word of the point that decided it, and of no other. */
function complete(moment: Moment, row: Unnamed<FoundRecord>): FoundRecord {
  const name = nameIn(moment.database)
  const point = row.point === null ? null : name(row.point)
  if (row.kind !== KIND.attempt || !('leaf' in row.entry)) return { ...row, point, outcome: null }
  const { id } = JSON.parse(row.entry.leaf) as { id: string }
  const isOutcome = (each: KeyedRow) => each.kind === KIND.outcome && each.point === row.point
  const span = { from: row.at, to: row.at + OUTCOME_WITHIN_MS }
  for (const rows of rowsByKey(moment, id, span)) {
    const ended = rows.find(isOutcome)
    if (ended) return { ...row, point, outcome: outcomeOf(ended, name) }
  }
  return { ...row, point, outcome: null }
}

/** All records with an id, in the order in which they came. */
function lookUp(moment: Moment, id: string): FoundRecord[] {
  const bundles = createBundleReader(moment)
  const name = nameIn(moment.database)
  const { at: inId } = keyOf(id)
  const span = { from: inId === null ? 0 : inId - HOUR_MS, to: Number.MAX_SAFE_INTEGER }
  const rows = [...rowsByKey(moment, id, span)].flat().sort((a, b) => a.seq - b.seq)
  return rows.map(row => {
    const { seq, at, lag, log, idx: index, kind, point } = row
    const isOutcome = (each: KeyedRow) => each.kind === KIND.outcome && each.point === point
    const ended = kind === KIND.attempt ? rows.find(isOutcome) : undefined
    return {
      ...{ seq, at, receivedAt: at + lag, log, index, kind },
      point: point === null ? null : name(point),
      ...bundles.whole(log, index),
      outcome: ended ? outcomeOf(ended, name) : null,
    }
  })
}

function outcomeOf({ reason, took }: KeyedRow, name: (id: number) => string): FoundRecord['outcome'] {
  return { name: reason === null ? '' : name(reason), took: took ?? 0 }
}

/** Records with an id by where they lie, the oldest place first. */
function* rowsByKey(
  { database, opened, heads, segments }: Moment,
  id: string,
  span: { from: number; to: number },
): Generator<KeyedRow[]> {
  const { bytes } = keyOf(id)
  const text = (table: string) =>
    `select seq, at, lag, log, idx, kind, point, reason, took from ${table} where key = ?`
  for (const segment of segments)
    if (segment.maxAt >= span.from && segment.minAt <= span.to)
      yield prepareOnce(opened.open(segment), text(SEGMENT_TABLES.row)).all(bytes) as KeyedRow[]
  for (const head of heads) yield database.prepare<[Buffer], KeyedRow>(text(headTables(head).row)).all(bytes)
}
