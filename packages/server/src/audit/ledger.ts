import type { Tx } from '../store/index.ts'
import type { StoredData, StoredEntry } from './bundle.ts'
import type { Batch, Entry } from './entry.ts'
import type { Ingested } from './ingest.ts'
import type { Erasure } from './proof/erase.ts'
import type { Answer, Question, Summary, SummaryQuestion } from './question/rows.ts'
import type { Expiry } from './retention/expiry.ts'

/** A log of one organization as it stands. When a log must begin anew, the old one stays and another generation follows it. */
export interface LogState {
  id: number
  /** The organization, `environment` or `heads`. */
  name: string
  generation: number
  /** Entries that are durable. */
  entries: number
  /** How many of them are in the tree, and its root. */
  size: number
  root: Buffer
  /** The newest signed checkpoint, and the newest that a witness has cosigned. */
  note: string | null
  cosigned: string | null
}

/** A log whose tree has grown, and the size that it had before. */
export interface GrownLog {
  log: LogState
  from: number
}

/** An entry of a log with what lies beside it. */
export interface LogEntry {
  entry: StoredEntry
  data: StoredData
}

/** A signed checkpoint; those that were anchored (cosigned, or noted in the log of heads) are kept as history. */
export interface KeptNote {
  log: number
  size: number
  note: string
  isAnchor: boolean
  isCosigned: boolean
}

/** Where the evidence lives. What it takes is durable when the promise resolves, or nothing of it happened. */
export interface Ledger {
  ingest(batches: readonly Batch[]): Promise<Ingested[]>
  /** Appends records of the authority itself; those whose id is known are passed over. */
  append(entries: readonly Entry[]): Promise<void>
  /** How many records enforcement points have numbered that have not arrived. */
  missing(): Promise<number>

  /** Takes durable entries into the trees of their logs; nothing is signed yet. */
  grow(): Promise<GrownLog[]>
  /** All logs, or those with these names. */
  logs(names?: readonly string[]): Promise<LogState[]>
  /** Logs, of each name the newest generation, whose tree is not signed as it is now. */
  unsigned(): Promise<LogState[]>
  keepNotes(notes: readonly KeptNote[]): Promise<void>
  /** The anchored checkpoints of a log, oldest first. */
  anchors(log: number): Promise<string[]>
  /** A tile of hashes (C2SP tlog-tiles), as far as it is there; level 0 holds leaf hashes. */
  tile(log: number, level: number, index: number): Promise<Buffer>
  /** Entries from one index to another, the second excluded. */
  entries(log: number, from: number, to: number): Promise<LogEntry[]>
  /** Erases what lies beside entries, for good; the entries stay, and what is erased already is passed over. */
  erase(erasure: Erasure): Promise<void>
  /** Takes out records that were kept for long enough: of their entries the hashes stay. Gives how many. */
  expire(expiries: readonly Expiry[]): Promise<number>
  /** Waits for what is going on whatever node, and lets nothing go until the commit; nor anything else that stands still. */
  standStill(tx: Tx): Promise<void>
  /** Begins another generation of a log, empty; what comes from now on goes there. */
  beginGeneration(name: string): Promise<LogState>

  ask(question: Question): Promise<Answer>
  summarize(question: SummaryQuestion): Promise<Summary>
  /** Records with this id, in the order in which they came. */
  lookUp(id: string): Promise<Answer['rows']>

  close(): Promise<void>
}
