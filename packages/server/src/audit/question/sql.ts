import type { Kind, Named } from '../entry.ts'
import type { RecordTables } from '../sqlite/schema.ts'
import type { Cursor, GroupColumn } from './rows.ts'

/** A filter with its texts turned into the numbers that columns hold. */
export interface RowFilter {
  kinds: readonly Kind[]
  logs: readonly number[] | null
  since: number | null
  until: number | null
  named: readonly (readonly [Named, readonly number[]])[]
  verdict: number | null
  terms: readonly number[]
  /** Only these, by their order of arrival. */
  seqs?: readonly number[]
}

export interface Statement {
  text: string
  values: (number | null)[]
}

/** Which of several indexes finds the fewest records, the best first. */
const BY_SELECTIVITY: readonly Named[] = ['grant_id', 'person', 'actor']

const GROUP_EXPRESSIONS: Partial<Record<GroupColumn, string>> = {
  minute: 'r.at / 60000 * 60000',
  hour: 'r.at / 3600000 * 3600000',
  day: 'r.at / 86400000 * 86400000',
}

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
  by: readonly GroupColumn[],
  limit: number,
): Statement {
  const { from, where, values } = matching(tables, filter)
  const keys = by.map(column => GROUP_EXPRESSIONS[column] ?? `r.${column}`)
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

function matching({ row, term }: RecordTables, filter: RowFilter) {
  const { kinds, logs, since, until, named, verdict, terms, seqs } = filter
  const where: string[] = []
  const values: (number | null)[] = []
  const [first, ...others] = terms
  const isByTerm = first !== undefined
  const best = isByTerm ? undefined : BY_SELECTIVITY.find(column => named.some(([name]) => name === column))
  // A plus keeps an index of the column out of it: one index is used, and it is the best.
  const steered = (column: string, isBest: boolean) => (isBest ? `r.${column}` : `+r.${column}`)
  const among = (column: string, ids: readonly number[]) => {
    where.push(
      ids.length === 1 ? `${column} = ?` : `${column} in (${ids.map(() => '?').join(', ') || 'null'})`,
    )
    values.push(...ids)
  }
  if (isByTerm) {
    where.push('t.term = ?')
    values.push(first)
  }
  for (const other of new Set(others)) {
    where.push(`exists (select 1 from ${term} o where o.term = ? and o.at = r.at and o.seq = r.seq)`)
    values.push(other)
  }
  const at = isByTerm ? 't.at' : 'r.at'
  if (since !== null) {
    where.push(`${at} >= ?`)
    values.push(since)
  }
  if (until !== null) {
    where.push(`${at} < ?`)
    values.push(until)
  }
  among('+r.kind', kinds)
  if (logs !== null) among(steered('log', !isByTerm && best === undefined), logs)
  for (const [column, ids] of named) among(steered(column, column === best), ids)
  if (verdict !== null) {
    where.push('r.verdict = ?')
    values.push(verdict)
  }
  if (seqs) among('r.seq', seqs)
  const from = isByTerm ? `${term} t join ${row} r on r.seq = t.seq and r.at = t.at` : `${row} r`
  return { from, where, values, order: isByTerm ? 't' : 'r' }
}
