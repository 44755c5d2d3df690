import { type JsonObject, joinRecord } from '@valetkey/sdk/core'
import type { Kind } from '../entry.ts'
import type { LogEntry } from '../ledger.ts'
import type { RecordTables } from '../sqlite/schema.ts'
import { isOneStep, isWithin } from '../terms.ts'
import type { Answer, Cursor, FoundRecord, Group, RecordFilter, SummaryQuestion } from './rows.ts'
import { groupRows, type RowFilter, type Statement, selectRows } from './sql.ts'

type Maybe<T> = T | Promise<T>

/** Some of the records: those of one table, or of one span of time. */
export interface Source {
  tables: RecordTables
  minAt: number
  maxAt: number
  /** It is a part of a larger table: a statement has to say so. */
  isSlice: boolean
  /** Null where the database broke it off: it takes too long. */
  run(statement: Statement): Maybe<unknown[] | null>
}

/** What a search goes through. */
export interface Searched {
  /** Those with the newest records first. */
  sources: readonly Source[]
  entry(log: number, index: number): Maybe<LogEntry>
}

interface MatchedRow extends Cursor {
  lag: number
  log: number
  idx: number
  kind: Kind
  point: number | null
  verdict: number | null
  passed: number | null
}

/** A search is broken off after this: whoever asks is told how far it got. */
const LONGEST_MS = 3_000
/** So many records are opened at most to look into them. */
const MOST_OPENED = 150_000
const OPENED_AT_ONCE = 2_000

type Found = Omit<FoundRecord, 'outcome' | 'point'> & { point: number | null }

/** What can be told only from the record itself, as a test on it; null where the columns tell all. */
export function exactTest({ resources, chain, text }: RecordFilter): ((entry: LogEntry) => boolean) | null {
  const tests: ((record: JsonObject, entry: LogEntry) => boolean)[] = []
  const lay = (record: JsonObject, asked: readonly string[]) =>
    pathsOf(record).some(path => asked.some(each => isWithin(path, each)))
  if (resources?.any?.every(isOneStep) === false) tests.push(record => lay(record, resources.any ?? []))
  if (resources && resources.none.length > 0) tests.push(record => !lay(record, resources.none))
  if (chain && chain.none.length > 0)
    tests.push(
      ({ chain: links }) => !Array.isArray(links) || !links.some(link => chain.none.includes(String(link))),
    )
  for (const word of text?.all ?? []) tests.push(hasWord(word))
  for (const word of text?.none ?? []) {
    const has = hasWord(word)
    tests.push((record, entry) => !has(record, entry))
  }
  if (tests.length === 0) return null
  return entry => {
    if (!('leaf' in entry.entry)) return false
    const leaf = JSON.parse(entry.entry.leaf) as JsonObject
    const data = entry.data === null ? null : (JSON.parse(entry.data.data) as JsonObject)
    const record = joinRecord({ leaf, data })
    return tests.every(test => test(record, entry))
  }
}

/** Whether a word is in what lies beside the log: a canonical text, in which some characters are escaped. */
function hasWord(word: string): (record: JsonObject, entry: LogEntry) => boolean {
  const wanted = JSON.stringify(word).slice(1, -1).toLowerCase()
  return (_record, { data }) => data?.data.toLowerCase().includes(wanted) ?? false
}

function pathsOf({ resource, otherResources }: JsonObject): string[] {
  const others = Array.isArray(otherResources) ? otherResources : []
  return [resource, ...others].filter(path => typeof path === 'string')
}

/** A page of what matches, newest first. */
export async function searchRows(
  searched: Searched,
  filter: RowFilter,
  question: { limit: number; after: Cursor | undefined; test: ((entry: LogEntry) => boolean) | null },
): Promise<{ rows: Found[]; next: Answer['next']; lookedBackTo: number | null }> {
  const { limit, after, test } = question
  const effort = createEffort()
  let rows: Found[] = []
  let brokenOffAt: number | null = null
  for (const source of reaching(searched.sources, filter, after)) {
    const last = rows[limit]
    if (last && last.at > source.maxAt) break
    if (effort.isSpent()) {
      brokenOffAt = source.maxAt
      break
    }
    const need = limit + 1
    const found = await matchesIn(searched, source, filter, { after, test, effort, need, take: toFound })
    if (found.brokenOffAt !== null) brokenOffAt = Math.max(brokenOffAt ?? 0, found.brokenOffAt)
    rows = [...rows, ...found.rows].sort((a, b) => b.at - a.at || b.seq - a.seq).slice(0, limit + 1)
    if (brokenOffAt !== null) break
  }
  // What is older than where the search was broken off may not be all there is.
  const whole = brokenOffAt === null ? rows : rows.filter(({ at }) => at > (brokenOffAt ?? 0))
  const shown = whole.slice(0, limit)
  const end = shown.at(-1)
  if (whole.length > limit && end)
    return { rows: shown, next: { at: end.at, seq: end.seq }, lookedBackTo: null }
  if (brokenOffAt === null) return { rows: shown, next: null, lookedBackTo: null }
  return {
    rows: shown,
    next: { at: brokenOffAt, seq: Number.MAX_SAFE_INTEGER },
    lookedBackTo: brokenOffAt,
  }
}

/** Those sources that can hold something that is asked for. */
function reaching(sources: readonly Source[], { since, until }: RowFilter, after?: Cursor): Source[] {
  const to = Math.min(
    until === null ? Number.POSITIVE_INFINITY : until - 1,
    after?.at ?? Number.POSITIVE_INFINITY,
  )
  return sources.filter(({ minAt, maxAt }) => minAt <= to && maxAt >= (since ?? 0))
}

function sliceOf({ isSlice, minAt, maxAt }: Source, filter: RowFilter): RowFilter {
  return isSlice ? { ...filter, slice: { from: minAt, to: maxAt } } : filter
}

interface Effort {
  opened: number
  isSpent(): boolean
}

function createEffort(): Effort {
  const until = performance.now() + LONGEST_MS
  return {
    opened: 0,
    isSpent() {
      return performance.now() > until || this.opened > MOST_OPENED
    },
  }
}

function toFound({ seq, at, lag, log, idx, kind, point }: MatchedRow, whole: LogEntry): Found {
  return { seq, at, receivedAt: at + lag, log, index: idx, kind, point, ...whole }
}

/** What is taken of each match is kept, and nothing else of it: there may be many. */
async function matchesIn<T>(
  { entry }: Searched,
  source: Source,
  filter: RowFilter,
  wanted: {
    after: Cursor | undefined
    test: ((entry: LogEntry) => boolean) | null
    effort: Effort
    need: number
    take(row: MatchedRow, whole: LogEntry): T
  },
): Promise<{ rows: T[]; brokenOffAt: number | null }> {
  const { test, effort, need, take } = wanted
  let { after } = wanted
  const rows: T[] = []
  for (;;) {
    const limit = test === null ? need : OPENED_AT_ONCE
    const matched = (await source.run(
      selectRows(source.tables, sliceOf(source, filter), { after, limit }),
    )) as MatchedRow[] | null
    if (matched === null) return { rows, brokenOffAt: after?.at ?? source.maxAt }
    for (const row of matched) {
      const whole = await entry(row.log, row.idx)
      effort.opened++
      if (test?.(whole) === false) continue
      rows.push(take(row, whole))
      if (rows.length === need) return { rows, brokenOffAt: null }
    }
    const last = matched.at(-1)
    if (test === null || matched.length < limit || !last) return { rows, brokenOffAt: null }
    if (effort.isSpent()) return { rows, brokenOffAt: last.at }
    after = { at: last.at, seq: last.seq }
  }
}

interface Counted {
  passed: number
  refused: number
  unenforced: number
  total: number
  first: number
  last: number
}

/** What matches, counted; keys are the numbers that the columns hold. */
export async function countRows(
  searched: Searched,
  filter: RowFilter,
  question: Omit<SummaryQuestion, 'filter'> & { test: ((entry: LogEntry) => boolean) | null },
): Promise<{ groups: Group[]; isCut: boolean; lookedBackTo: number | null }> {
  const { by, shift = 0, limit, test } = question
  const effort = createEffort()
  const groups = new Map<string, Group>()
  let lookedBackTo: number | null = null
  for (const source of reaching(searched.sources, filter)) {
    if (effort.isSpent()) {
      lookedBackTo = source.maxAt
      break
    }
    const filters = test === null ? [filter] : await only(searched, source, filter, { test, effort })
    if (filters === null) {
      lookedBackTo = source.maxAt
      break
    }
    for (const each of filters) {
      const group = { by, shift, limit: limit + 1 }
      const counted = await source.run(groupRows(source.tables, sliceOf(source, each), group))
      if (counted === null) return { groups: [...groups.values()], isCut: false, lookedBackTo: source.maxAt }
      for (const row of counted as (Counted & Record<string, number | null>)[])
        if (row.total > 0)
          addGroup(
            groups,
            by.map((_, i) => row[`k${i}`] ?? null),
            row,
          )
    }
    if (groups.size > limit)
      return { groups: [...groups.values()].slice(0, limit), isCut: true, lookedBackTo }
  }
  return { groups: [...groups.values()], isCut: false, lookedBackTo }
}

const SEQS_AT_ONCE = 500

/** The filter narrowed to those records of a source that pass a test on the record itself; null where that is too much. */
async function only(
  searched: Searched,
  source: Source,
  filter: RowFilter,
  { test, effort }: { test: (entry: LogEntry) => boolean; effort: Effort },
): Promise<RowFilter[] | null> {
  const need = Number.MAX_SAFE_INTEGER
  const { rows: seqs, brokenOffAt } = await matchesIn(searched, source, filter, {
    ...{ after: undefined, test, effort, need },
    take: ({ seq }) => seq,
  })
  if (brokenOffAt !== null) return null
  return Array.from({ length: Math.ceil(seqs.length / SEQS_AT_ONCE) }, (_, i) => ({
    ...filter,
    seqs: seqs.slice(i * SEQS_AT_ONCE, (i + 1) * SEQS_AT_ONCE),
  }))
}

function addGroup(groups: Map<string, Group>, keys: (number | null)[], row: Counted): void {
  const name = keys.join()
  const before = groups.get(name)
  groups.set(name, {
    keys,
    passed: (before?.passed ?? 0) + row.passed,
    refused: (before?.refused ?? 0) + row.refused,
    unenforced: (before?.unenforced ?? 0) + row.unenforced,
    first: Math.min(before?.first ?? row.first, row.first),
    last: Math.max(before?.last ?? row.last, row.last),
  })
}
