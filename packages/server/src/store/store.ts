import type { Kysely, Transaction } from 'kysely'
import type { Database } from './schema.ts'
import type { SecretBox } from './secret-box.ts'

/** A connection for reading, or the transaction that a write runs in. */
export type Db = Kysely<Database>
export type Tx = Transaction<Database>

export interface Store {
  readonly dialect: 'sqlite' | 'postgres'
  /** For reads outside a transaction: each statement sees what was committed when it began. */
  readonly db: Db
  readonly secrets: SecretBox
  /**
   * Runs one transaction: all of it is committed and durable when the promise resolves, or nothing of it happened.
   * Nothing but its own SQL may be awaited inside. On PostgreSQL a conflict with another node is tried again.
   */
  write<T>(work: (tx: Tx) => Promise<T>): Promise<T>
  /**
   * Calls back after commits, here and (PostgreSQL) on other nodes, with the organizations that changed; undefined
   * means "look at all". A hint: it may come late or twice, so listeners read revisions from the database.
   */
  onChange(listener: (organizations: readonly string[] | undefined) => void): () => void
  close(): Promise<void>
}
