import { CompiledQuery, sql } from 'kysely'
import type { Db, Store } from '../../store/index.ts'
import { type StoredData, type StoredEntry, unpackData, unpackEntries } from '../bundle.ts'
import { KIND, NAMED } from '../entry.ts'
import type { LogEntry } from '../ledger.ts'
import { narrow, textsOf } from '../question/narrow.ts'
import type {
  Answer,
  FoundRecord,
  Question,
  RecordFilter,
  Summary,
  SummaryQuestion,
} from '../question/rows.ts'
import { countRows, exactTest, type Searched, type Source, searchRows } from '../question/search.ts'
import type { RowFilter } from '../question/sql.ts'
import { keyOf } from '../record-key.ts'
import type { Terms } from '../terms.ts'
import type { Names } from './names.ts'
import { POSTGRES_TABLES, spanOfWeek } from './schema.ts'

const DAY_MS = 24 * 3_600_000
/** Spans of time that are looked at one after the other, the newest first; longer ones where an index leads to few records. */
const SPANS_MS = [DAY_MS, 6 * DAY_MS, 21 * DAY_MS]
const LED_SPANS_MS = [35 * DAY_MS, 91 * DAY_MS, 366 * DAY_MS]
/** No statement of a question takes longer. */
const STATEMENT_MS = 4_000

export async function ask(store: Store, names: Names, terms: Terms, question: Question): Promise<Answer> {
  const { filter, limit, after } = question
  const rows = await narrowed(store.db, names, terms, filter)
  const searched = await searchedFor(store, rows)
  const found = await searchRows(searched, rows, { limit, after, test: exactTest(filter) })
  return { ...found, rows: await complete(store.db, names, found.rows) }
}

export async function summarize(
  store: Store,
  names: Names,
  terms: Terms,
  { filter, by, shift, limit }: SummaryQuestion,
): Promise<Summary> {
  const rows = await narrowed(store.db, names, terms, filter)
  const searched = await searchedFor(store, rows)
  const { groups, ...more } = await countRows(searched, rows, {
    ...{ by, limit, test: exactTest(filter) },
    ...(shift !== undefined && { shift }),
  })
  const texts = await Promise.all(
    by.map((column, i) => {
      const ids = groups.map(({ keys }) => keys[i]).filter(key => typeof key === 'number')
      if (column === 'log') return logNames(store.db, ids)
      return (NAMED as readonly string[]).includes(column) ? names.textsOf(ids) : undefined
    }),
  )
  const text = (key: string | number | null, i: number) =>
    typeof key === 'number' ? (texts[i] ? (texts[i].get(key) ?? '') : key) : key
  return { groups: groups.map(group => ({ ...group, keys: group.keys.map(text) })), ...more }
}

async function logNames(db: Db, ids: readonly number[]): Promise<Map<number, string>> {
  const { rows } = await sql<{ id: number; name: string }>`
    select id, name from audit_log where id = any(${[...new Set(ids)]}::integer[])`.execute(db)
  return new Map(rows.map(({ id, name }) => [id, name]))
}

export async function lookUp(store: Store, names: Names, id: string): Promise<FoundRecord[]> {
  const { at } = keyOf(id)
  const rows = await rowsByKeys(store.db, [id], at === null ? 0 : at - 3_600_000)
  const entry = createEntries(store.db)
  const points = await names.textsOf(rows.flatMap(({ point }) => point ?? []))
  const reasons = await names.textsOf(rows.flatMap(({ reason }) => reason ?? []))
  const found: FoundRecord[] = []
  for (const row of rows.sort((a, b) => a.seq - b.seq)) {
    const { seq, lag, log, idx: index, kind, point } = row
    const ended =
      kind === KIND.attempt
        ? rows.find(each => each.kind === KIND.outcome && each.point === point)
        : undefined
    found.push({
      ...{ seq, at: row.at, receivedAt: row.at + lag, log, index, kind },
      point: point === null ? null : (points.get(point) ?? ''),
      ...(await entry(log, index)),
      outcome: ended ? { name: reasons.get(ended.reason ?? -1) ?? '', took: ended.took ?? 0 } : null,
    })
  }
  return found
}

async function narrowed(db: Db, names: Names, terms: Terms, filter: RecordFilter): Promise<RowFilter> {
  const { rows } = await sql<{ id: number; name: string }>`select id, name from audit_log`.execute(db)
  const logs = new Map(
    [...Map.groupBy(rows, ({ name }) => name)].map(([name, all]) => [name, all.map(({ id }) => id)]),
  )
  return narrow(filter, { names: await names.find(textsOf(filter)), logs }, terms)
}

/** The time is walked back in spans, so that the search can stop. */
async function searchedFor(store: Store, filter: RowFilter): Promise<Searched> {
  const { db } = store
  const { rows } = await sql<{ first: number | null; last: number | null }>`
    select min(week) as first, max(week) as last from audit_week`.execute(db)
  const entry = createEntries(db)
  const { first = null, last = null } = rows[0] ?? {}
  if (first === null || last === null) return { sources: [], entry }
  const from = Math.max(spanOfWeek(first).from, filter.since ?? 0)
  const to = Math.min(spanOfWeek(last).to, filter.until ?? Number.MAX_SAFE_INTEGER) - 1
  const isLed =
    filter.terms.length > 0 || filter.named.some(([column, { any }]) => any !== null && LEADING.has(column))
  const spans = spansOf(from, to, isLed ? LED_SPANS_MS : SPANS_MS)
  return { sources: spans.map(span => sourceOf(store, span)), entry }
}

const LEADING: ReadonlySet<string> = new Set(['grant_id', 'person', 'actor'])

/** PostgreSQL has cancelled the statement, because it took too long. */
function isBrokenOff(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause)
    if ('code' in cause && cause.code === '57014') return true
  return false
}

function spansOf(from: number, to: number, lengths: readonly number[]): { from: number; to: number }[] {
  const spans: { from: number; to: number }[] = []
  for (let [end, i] = [to, 0]; end >= from; i++) {
    const begin = Math.max(from, end - (lengths[Math.min(i, lengths.length - 1)] ?? DAY_MS) + 1)
    spans.push({ from: begin, to: end })
    end = begin - 1
  }
  return spans
}

function sourceOf(store: Store, { from, to }: { from: number; to: number }): Source {
  return {
    tables: POSTGRES_TABLES,
    minAt: from,
    maxAt: to,
    // The span is said to the database too, so that it opens the partitions of that time alone.
    isSlice: true,
    async run({ text, values }) {
      let position = 0
      const numbered = text.replaceAll('?', () => `$${++position}`)
      try {
        return await store.read(async db => {
          await sql`set local statement_timeout = ${sql.lit(STATEMENT_MS)}`.execute(db)
          const { rows } = await db.executeQuery(CompiledQuery.raw(numbered, values))
          return rows as unknown[]
        })
      } catch (error) {
        if (isBrokenOff(error)) return null
        throw error
      }
    },
  }
}

type Row = Omit<FoundRecord, 'outcome' | 'point'> & { point: number | null }

async function complete(db: Db, names: Names, rows: readonly Row[]): Promise<FoundRecord[]> {
  const ids = rows.map(({ kind, entry }) =>
    kind === KIND.attempt && 'leaf' in entry ? (JSON.parse(entry.leaf) as { id: string }).id : null,
  )
  const since = rows.reduce((least, { at }) => Math.min(least, at), Number.MAX_SAFE_INTEGER)
  const attempts = ids.filter(id => id !== null)
  const keyed = attempts.length === 0 ? [] : await rowsByKeys(db, attempts, since)
  const ended = new Map(
    keyed.filter(({ kind }) => kind === KIND.outcome).map(row => [`${row.key} ${row.point}`, row]),
  )
  const texts = await names.textsOf([
    ...rows.flatMap(({ point }) => point ?? []),
    ...keyed.flatMap(({ reason }) => reason ?? []),
  ])
  return rows.map((row, i) => {
    const id = ids[i]
    const outcome = typeof id === 'string' ? ended.get(`${uuidOf(id)} ${row.point}`) : undefined
    return {
      ...row,
      point: row.point === null ? null : (texts.get(row.point) ?? ''),
      outcome: outcome ? { name: texts.get(outcome.reason ?? -1) ?? '', took: outcome.took ?? 0 } : null,
    }
  })
}

interface KeyedRow {
  seq: number
  at: number
  lag: number
  log: number
  idx: number
  kind: FoundRecord['kind']
  key: string
  point: number | null
  reason: number | null
  took: number | null
}

async function rowsByKeys(db: Db, ids: readonly string[], since: number): Promise<KeyedRow[]> {
  const { rows } = await sql<KeyedRow>`
    select seq, at, lag, log, idx, kind, key, point, reason, took from audit_record
    where key = any(${ids.map(uuidOf)}::uuid[]) and at >= ${since}`.execute(db)
  return rows
}

function uuidOf(id: string): string {
  const hex = keyOf(id).bytes.toString('hex')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}

/** Reads entries one by one, remembering the last bundles that were opened. */
function createEntries(db: Db): (log: number, index: number) => Promise<LogEntry> {
  const remembered = new Map<string, { first: number; entries: StoredEntry[]; data: StoredData[] }>()
  return async (log, index) => {
    const name = `${log}/${Math.floor(index / 256)}`
    let bundle = remembered.get(name)
    if (!bundle || index < bundle.first || index >= bundle.first + bundle.entries.length) {
      const { rows } = await sql<{ first: number; count: number; entries: Buffer; data: Buffer | null }>`
        select first, count, entries, data from audit_bundle where log = ${log} and first <= ${index}
        order by first desc limit 1`.execute(db)
      const [row] = rows
      if (!row) throw new Error(`unreachable: entry ${index} of log ${log} is not stored`)
      bundle = {
        first: row.first,
        entries: unpackEntries(row.entries),
        data: unpackData(row.data, row.count),
      }
      if (remembered.size > 64) remembered.clear()
      remembered.set(name, bundle)
    }
    const entry = bundle.entries[index - bundle.first]
    if (!entry) throw new Error(`unreachable: entry ${index} of log ${log} is not stored`)
    return { entry, data: bundle.data[index - bundle.first] ?? null }
  }
}
