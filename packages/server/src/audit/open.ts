import type { AdminApi, Output, Parsed } from '@valetkey/sdk/contract'
import type { CheckedShipment } from '@valetkey/sdk/evidence'
import type { Store } from '../store/index.ts'
import { toBatch } from './entry.ts'
import type { Ingested } from './ingest.ts'
import { moveOutbox } from './outbox.ts'
import { openPostgresLedger } from './postgres/ledger.ts'
import { createProgress } from './progress.ts'
import { findCalls, getCall, type RecordedCall } from './question/calls.ts'
import { findChanges } from './question/changes.ts'
import type { CallQuery } from './question/resolve.ts'
import { findWho } from './question/who.ts'
import { createRounds } from './rounds.ts'
import { openSqliteLedger } from './sqlite/ledger.ts'
import { createTerms } from './terms.ts'

const ROUND_EVERY_MS = 2000
const HEAD_RECORDS = 100_000

export interface AuditOptions {
  store: Store
  /** The main file of the evidence, or `:memory:`. On PostgreSQL it is kept beside the facts, and this is not used. */
  path: string
  now(): number
  /** SQLite: how many records are kept without indexes before they become a segment. */
  headRecords?: number
  /** Told what goes wrong while nobody waits: the outbox that cannot be moved on, tried again soon. */
  onError?(error: unknown): void
}

/** What is known of the evidence's own health. Counts are those of this process since its start. */
export interface AuditFigures {
  accepted: number
  repeated: number
  conflicts: number
  /** Records that enforcement points have numbered and that have not arrived. */
  missing: number
  /** Changes that are recorded and not moved on yet. */
  outbox: number
}

export interface Audit {
  /** Stores what a point ships, once, however often it comes; durable when it resolves. `point` is the session's. */
  ingest(point: string, epoch: number, shipments: readonly CheckedShipment[]): Promise<Ingested>
  calls(query: Parsed<AdminApi['audit']['calls']>): Promise<Output<AdminApi['audit']['calls']>>
  who(query: CallQuery): Promise<Output<AdminApi['audit']['who']>>
  changes(query: Parsed<AdminApi['audit']['changes']>): Promise<Output<AdminApi['audit']['changes']>>
  get(decision: string): Promise<RecordedCall>
  figures(): Promise<AuditFigures>
  /** Resolves when all changes that were recorded before this call can be found. */
  flush(): Promise<void>
  close(): Promise<void>
}

/** Opens the evidence and begins to move recorded changes into it. Whatever fails in it is `audit.unavailable`. */
export async function openAudit(options: AuditOptions): Promise<Audit> {
  const { store, path, now, headRecords = HEAD_RECORDS, onError = () => undefined } = options
  // Known to whoever runs this database, and to nobody whose records are in it.
  const secret = store.instanceId
  const ledger = await (store.dialect === 'sqlite'
    ? openSqliteLedger({ path, secret, now, headRecords, onError })
    : openPostgresLedger(store, { secret, now }))
  const terms = createTerms(secret)
  const progress = createProgress(store)
  const rounds = createRounds(async () => {
    await moveOutbox(store, ledger)
    await progress.save()
  }, onError)
  const forget = store.onChange(() => rounds.wake())
  rounds.wake()
  const timer = setInterval(() => rounds.wake(), ROUND_EVERY_MS).unref()
  const counts = { accepted: 0, repeated: 0, conflicts: 0 }
  return {
    async ingest(point, epoch, shipments) {
      const batch = toBatch({ point, epoch, receivedAt: now() }, shipments, terms)
      const [result] = await ledger.ingest([batch])
      if (!result) throw new Error('unreachable: each batch has a result')
      counts.accepted += result.accepted
      counts.repeated += result.repeated
      counts.conflicts += result.conflicts
      progress.note(point, { epoch, counter: result.counter, missing: result.missing })
      return result
    },
    calls: query => findCalls(ledger, store, query),
    who: query => findWho(ledger, store.db, query),
    changes: query => findChanges(ledger, store, query),
    get: decision => getCall(ledger, decision),
    async figures() {
      const { outbox } = await store.db
        .selectFrom('auditOutbox')
        .select(eb => eb.fn.countAll<number>().as('outbox'))
        .executeTakeFirstOrThrow()
      return { ...counts, missing: await ledger.missing(), outbox: outbox }
    },
    flush: () => rounds.round(),
    async close() {
      clearInterval(timer)
      forget()
      // What cannot be moved on now stays in the facts, for the next start.
      await rounds.round().catch(onError)
      await ledger.close()
    },
  }
}
