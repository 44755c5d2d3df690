import type { Kysely } from 'kysely'
import type { Batch } from './entry.ts'
import type { ChangeValues, Ingested } from './ingest.ts'
import type { AuditTables } from './tables.ts'

/** Where the evidence lives. What it takes is durable when the promise resolves, or nothing of it happened. */
export interface Ledger {
  /** For reading; every statement sees what was committed when it began. */
  readonly db: Kysely<AuditTables>
  ingest(batch: Batch): Promise<Ingested>
  /** Appends changes whose id is new. */
  append(rows: readonly ChangeValues[]): Promise<void>
  /** How many records enforcement points have numbered that have not arrived. Answers only where it can be written. */
  missing(): Promise<number>
  close(): Promise<void>
}

/** Gives one row, `missing`. */
export const COUNT_MISSING = 'select coalesce(sum(last - first + 1), 0) as missing from audit_gap'
