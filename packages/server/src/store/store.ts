import type { Change } from '@valetkey/sdk/core'
import type { Kysely, RawBuilder, Transaction } from 'kysely'
import type { Database } from './schema.ts'
import type { SecretBox } from './secret-box.ts'

/** A connection for reading, or the transaction that a write runs in. */
export type Db = Kysely<Database>
export type Tx = Transaction<Database>

/** Told which organizations changed, and how, where it was this node; undefined means "look at all". */
export type ChangeListener = (
  organizations: readonly string[] | undefined,
  changes?: readonly Change[],
) => void

export interface Store {
  readonly dialect: 'sqlite' | 'postgres'
  /** Names this database for as long as it lives, so that a node can notice that it was pointed at another one. */
  readonly instanceId: string
  /** For reads outside a transaction: each statement sees what was committed when it began. Not for use inside a write. */
  readonly db: Db
  readonly secrets: SecretBox
  /**
   * Runs one transaction: all of it is committed and durable when the promise resolves, or nothing of it happened.
   * Nothing but its own SQL may be awaited inside, and `work` does nothing but SQL: after a conflict with another node
   * (PostgreSQL) it runs again from its beginning. Fails with `store.unavailable` where the database does not answer;
   * if that was at the commit, the message says that the outcome is unknown, and nothing is tried again.
   */
  write<T>(work: (tx: Tx) => Promise<T>): Promise<T>
  /** Runs several reads that all see the same moment, for example all facts of an organization at one revision. */
  read<T>(work: (db: Db) => Promise<T>): Promise<T>
  /**
   * Milliseconds since 1970 on the clock that all nodes of this database share: PostgreSQL's own, or on SQLite this
   * process's, which is the only node. Leases are compared on it. Takes the transaction when asked inside a write.
   */
  clock(db: Db): Promise<number>
  /** The same clock within a statement: when the statement reached the database, before it read anything. */
  time(): RawBuilder<number>
  /**
   * Calls back after commits, here and (PostgreSQL) on other nodes, with the organizations that changed; undefined
   * means "look at all". Of a commit of this node the changes come along, not always in the order of revisions. A hint: it may come late, twice or not at all, so listeners read revisions from the database
   * and also look by themselves from time to time.
   */
  onChange(listener: ChangeListener): () => void
  /**
   * Calls back after commits of this node, when those who are called back on a change have asked what they want to know:
   * for whom no enforcement point waits. A hint, too.
   */
  afterCommits(listener: () => void): () => void
  /** Ends all connections, after telling other nodes what they were not yet told. */
  close(): Promise<void>
}

/** How one kind of database is opened. */
export type OpenStore = (
  place: string,
  options: { secrets: SecretBox; connections: number; now: () => number },
) => Promise<Store>
