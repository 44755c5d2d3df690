import type { Kind, Named } from '../entry.ts'
import type { LogEntry } from '../ledger.ts'

/** One of `any`, where it is not null; none of `none`. */
export interface Choice<T> {
  any: readonly T[] | null
  none: readonly T[]
}

/** A choice of one. */
export function only<T>(value: T): Choice<T> {
  return { any: [value], none: [] }
}

/** What a question is about, in the texts of the records. Absent members leave open. */
export interface RecordFilter {
  kinds: readonly Kind[]
  /** Names of logs. */
  logs?: Choice<string> | undefined
  /** Milliseconds; `until` is not part of the range, so that days can be lined up. */
  since?: number | undefined
  until?: number | undefined
  /** By column, the texts that it holds. */
  named?: { [Column in Named]?: Choice<string> | undefined }
  verdict?: Choice<number> | undefined
  /** Resources: each, and all that lay in it. */
  resources?: Choice<string> | undefined
  /** Members of the chain besides the agent that called. */
  chain?: Choice<string> | undefined
  /** Words that must be, or must not be, in what lies beside the log, whatever their case. */
  text?: { all: readonly string[]; none: readonly string[] } | undefined
}

/** A place among records, newest first; `seq` breaks ties in the order of arrival. */
export interface Cursor {
  at: number
  seq: number
}

export interface Question {
  filter: RecordFilter
  limit: number
  after?: Cursor | undefined
}

/** A record that was found. */
export interface FoundRecord extends Cursor, LogEntry {
  kind: Kind
  log: number
  index: number
  /** When it arrived. */
  receivedAt: number
  point: string | null
  /** Of a call: how it ended and how many microseconds it took, if that is on record. */
  outcome: { name: string; took: number } | null
}

export interface Answer {
  rows: FoundRecord[]
  /** Where the next page begins; null where this was the last. */
  next: Cursor | null
  /** Set where the search was broken off before `limit` was reached: everything since then was looked at. */
  lookedBackTo: number | null
}

/** By what records are counted. */
export type GroupColumn = Named | 'log' | 'verdict' | 'hour' | 'day' | 'minute'

export interface SummaryQuestion {
  filter: RecordFilter
  by: readonly GroupColumn[]
  /** Added to times before they are cut into hours and days: how far clocks are ahead of UTC. */
  shift?: number
  /** The most groups that are of use; more are an answer of their own. */
  limit: number
}

/** Records that have all columns in common. */
export interface Group {
  keys: (string | number | null)[]
  passed: number
  refused: number
  /** Passed, though the verdict was another: in audit mode. */
  unenforced: number
  first: number
  last: number
}

export interface Summary {
  groups: Group[]
  isCut: boolean
  lookedBackTo: number | null
}
