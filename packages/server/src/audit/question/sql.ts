import type { Kind, Named } from '../entry.ts'
import type { RecordTables } from '../sqlite/schema.ts'
import type { Choice, Cursor, GroupColumn } from './rows.ts'

/** A filter with its texts turned into the numbers that columns hold. */
export interface RowFilter {
  kinds: readonly Kind[]
  logs: Choice<number> | undefined
  since: number | null
  until: number | null
  /** A part of the time that is looked through by itself, both ends included. */
  slice: { from: number; to: number } | null
  named: readonly (readonly [Named, Choice<number>])[]
  verdict: Choice<number> | undefined
  /** Of each list a record has one. */
  terms: readonly (readonly number[])[]
  /** Only these, by their order of arrival. */
  seqs?: readonly number[]
}

export interface Statement {
  text: string
  values: (number | null)[]
}

/** Which of several indexes finds the fewest records, the best first. */
const BY_SELECTIVITY: readonly Named[] = ['grant_id', 'person', 'actor']

const UNIT_MS: Partial<Record<GroupColumn, number>> = { minute: 60_000, hour: 3_600_000, day: 86_400_000 }

/** Records that match, newest first; `?` stands for each value. */
export function selectRows(
  tables: RecordTables,
  filter: RowFilter,
  page: { after: Cursor | undefined; limit: number },
): Statement {
  const { from, where, values, order } = matching(tables, filter)
  const { after, limit } = page
  if (after) {
    where.push('r.at <= ? and (r.at < ? or r.seq < ?)')
    values.push(after.at, after.at, after.seq)
  }
  const columns = ['seq', 'at', 'lag', 'log', 'idx', 'kind', 'point', 'verdict', 'passed'].map(
    name => `r.${name}`,
  )
  return {
    text: `select ${columns.join(', ')} from ${from} where ${where.join(' and ')}
      order by ${order}.at desc, ${order}.seq desc limit ?`,
    values: [...values, limit],
  }
}

/** Matching records counted by columns. */
export function groupRows(
  tables: RecordTables,
  filter: RowFilter,
  group: { by: readonly GroupColumn[]; shift: number; limit: number },
): Statement {
  const { from, where, values } = matching(tables, filter)
  const { by, shift, limit } = group
  const keys = by.map(column => {
    const unit = UNIT_MS[column]
    return unit === undefined ? `r.${column}` : `(r.at + ${Math.trunc(shift)}) / ${unit} * ${unit}`
  })
  return {
    text: `select ${keys.map((key, i) => `${key} as k${i}, `).join('')}
        coalesce(sum(r.passed), 0) as passed, coalesce(sum(1 - r.passed), 0) as refused,
        coalesce(sum(case when r.passed = 1 and r.verdict <> 0 then 1 else 0 end), 0) as unenforced,
        count(*) as total, min(r.at) as first, max(r.at) as last
      from ${from} where ${where.join(' and ')}
      ${keys.length === 0 ? '' : `group by ${keys.join(', ')}`} limit ?`,
    values: [...values, limit],
  }
}

/** Conditions on the way into a statement, each with its values, in the order of the text. */
function createConditions() {
  const where: string[] = []
  const values: (number | null)[] = []
  const add = (text: string, ...more: number[]) => {
    where.push(text)
    values.push(...more)
  }
  return {
    where,
    values,
    add,
    chosen(column: string, { any, none }: Choice<number>) {
      if (any !== null) add(isOneOf(column, any), ...any)
      if (none.length > 0) add(`(${column} is null or ${column} not in (${marks(none)}))`, ...none)
    },
  }
}

function matching({ row, term }: RecordTables, filter: RowFilter) {
  const { kinds, logs, since, until, slice, named, verdict, terms, seqs } = filter
  const conditions = createConditions()
  const { where, values, add, chosen } = conditions
  const [first, ...others] = terms
  const best = first
    ? undefined
    : BY_SELECTIVITY.find(column => named.some(([name, { any }]) => name === column && any !== null))
  // A plus keeps an index of the column out of it: one index is used, and it is the best.
  const steered = (column: string, isBest: boolean) => (isBest ? `r.${column}` : `+r.${column}`)
  const from = first
    ? `${termRows(term, first, filter, values)} t join ${row} r on r.seq = t.seq and r.at = t.at`
    : `${row} r`
  if (slice) add('r.at between ? and ?', slice.from, slice.to)
  if (!first && since !== null) add('r.at >= ?', since)
  if (!first && until !== null) add('r.at < ?', until)
  for (const other of others)
    where.push(`r.seq in (select seq from ${termRows(term, other, filter, values)} o)`)
  add(isOneOf('+r.kind', kinds), ...kinds)
  if (logs) chosen(steered('log', !first && best === undefined), logs)
  for (const [column, choice] of named) chosen(steered(column, column === best), choice)
  if (verdict) chosen('r.verdict', verdict)
  if (seqs) add(isOneOf('r.seq', seqs), ...seqs)
  return { from, where, values, order: first ? 't' : 'r' }
}

/** The places of records that have one of these terms, each once. */
function termRows(
  term: string,
  oneOf: readonly number[],
  { since, until, slice }: RowFilter,
  values: (number | null)[],
): string {
  const where = [isOneOf('term', oneOf)]
  values.push(...oneOf)
  const from = Math.max(since ?? 0, slice?.from ?? 0)
  const to = Math.min(until ?? Number.MAX_SAFE_INTEGER, (slice?.to ?? Number.MAX_SAFE_INTEGER - 1) + 1)
  if (since !== null || slice) {
    where.push('at >= ?')
    values.push(from)
  }
  if (until !== null || slice) {
    where.push('at < ?')
    values.push(to)
  }
  return `(select ${oneOf.length > 1 ? 'distinct ' : ''}at, seq from ${term} where ${where.join(' and ')})`
}

function isOneOf(column: string, ids: readonly number[]): string {
  return ids.length === 1 ? `${column} = ?` : `${column} in (${marks(ids) || 'null'})`
}

function marks(values: readonly unknown[]): string {
  return values.map(() => '?').join(', ')
}
