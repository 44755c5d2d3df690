import { KIND, type Kind } from '../entry.ts'

/** Records of one organization that have been kept for long enough. */
export interface Expiry {
  /** The name of their log. */
  log: string
  kinds: readonly Kind[]
  /** Those of an earlier time go. */
  before: number
  /** People whose records must stay: for whom it was done, who owns the agent, who did it, or to whom it was done. */
  held: readonly string[]
  /** Ids of the holds that stood when this was said: once others do, nothing more goes by it. */
  holds: readonly string[]
}

/** What retention tells apart, and the kinds of records that it is about. */
export const RETAINED = {
  calls: [KIND.attempt, KIND.outcome],
  changes: [KIND.event],
} as const satisfies Record<string, readonly Kind[]>
export type Retained = keyof typeof RETAINED

/** Columns of a record that name a person whose records may be held. */
export const HELD_BY = ['person', 'owner', 'actor', 'target'] as const

/**
 * Which rows of a table go; `?` stands for the log, two kinds, and the time. The outcome of a call stays with it: both have one
 * key. `held` are the numbers of people.
 */
export function expiredRows(table: string, held: readonly number[]): string {
  const kinds = (count: number) => Array.from({ length: count }, () => '?').join(', ')
  const isHeld = (row: string) =>
    HELD_BY.map(column => `coalesce(${row}.${column} in (${held.join(', ')}), false)`).join(' or ')
  const stays =
    held.length === 0
      ? ''
      : ` and not (${isHeld('r')}) and not exists (
          select 1 from ${table} h where h.key = r.key and h.kind = ${KIND.attempt} and (${isHeld('h')}))`
  return `from ${table} r where r.log = ? and r.kind in (${kinds(2)}) and r.at < ?${stays}`
}
