import { mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { AdminApi, Output, Parsed } from '@valetkey/sdk/contract'
import { AppError } from '@valetkey/sdk/core'
import type { CheckedShipment } from '@valetkey/sdk/evidence'
import type { Store } from '../store/index.ts'
import { toBatch } from './entry.ts'
import { createFollowing, type Following } from './follow/following.ts'
import type { Ingested } from './ingest.ts'
import type { Ledger } from './ledger.ts'
import { createLogs, type Logs, type WitnessAddress } from './log/logs.ts'
import { moveOutbox } from './outbox.ts'
import { openPostgresLedger } from './postgres/ledger.ts'
import { createProgress } from './progress.ts'
import { createProof, type Proof } from './proof/proof.ts'
import type { CallQuery } from './question/asked.ts'
import { findCalls, getCall, type RecordedCall } from './question/calls.ts'
import { findChanges } from './question/changes.ts'
import { type CountQuery, findCounts } from './question/counts.ts'
import { findWho } from './question/who.ts'
import { createRetention, type Retention } from './retention/retention.ts'
import { createRounds } from './rounds.ts'
import { openSqliteLedger } from './sqlite/ledger.ts'
import { createTerms } from './terms.ts'

const ROUND_EVERY_MS = 2000
/** Changes of this long are moved together: a commit and a bundle for each would hold up whoever makes the next ones. */
const GATHER_MS = 100
const SEAL_EVERY_MS = 1000
/** How often a node looks for what another one has stored, and could not sign before it died. */
const LOOK_EVERY_MS = 2000
const ANCHOR_EVERY_MS = 10 * 60_000
const EXPIRE_EVERY_MS = 3_600_000
const HEAD_RECORDS = 100_000

export interface AuditOptions {
  store: Store
  /** The main file of the evidence, or `:memory:`. On PostgreSQL only what this node has signed is kept beside it. */
  path: string
  /** What the logs of this environment are named below, unless they have a name already: the issuer without its scheme. */
  origin: string
  now(): number
  /** Those who cosign what is signed here. */
  witnesses?: readonly WitnessAddress[]
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
  calls(
    query: CallQuery & { limit: number; cursor?: string | undefined },
  ): Promise<Output<AdminApi['audit']['calls']>>
  who(query: CallQuery): Promise<Output<AdminApi['audit']['who']>>
  counts(query: CountQuery): Promise<Output<AdminApi['audit']['counts']>>
  changes(query: Parsed<AdminApi['audit']['changes']>): Promise<Output<AdminApi['audit']['changes']>>
  get(decision: string): Promise<RecordedCall>
  /** How others read it as it grows. */
  readonly following: Following
  /** The logs that all of it is in, and what proves them. */
  readonly logs: Logs
  readonly proof: Proof
  readonly retention: Retention
  figures(): Promise<AuditFigures>
  /** Resolves when all changes that were recorded before this call can be found, and all that was stored is signed. */
  flush(): Promise<void>
  close(): Promise<void>
}

/** Opens the evidence and begins to move recorded changes into it. Whatever fails in it is `audit.unavailable`. */
export async function openAudit(options: AuditOptions): Promise<Audit> {
  const { store, now, onError = () => undefined } = options
  // Known to whoever runs this database, and to nobody whose records are in it.
  const secret = store.instanceId
  const ledger = await openLedger(options, secret, onError)
  const terms = createTerms(secret)
  const logs = await openLogs(ledger, options, onError).catch(async error => {
    await ledger.close()
    throw error
  })
  const progress = createProgress(store)
  const following = createFollowing({ store, ledger, originOf: logs.originOf })
  let isDirty = true
  let halted: AppError | undefined
  /** Nothing is signed over what was signed before, and nothing more is taken in: it would end up in neither history. */
  function halt(error: unknown): never {
    if (error instanceof AppError && error.code === 'audit.rolled_back') halted = error
    throw error
  }
  let lookAt = 0
  const seals = createRounds(async () => {
    if (halted || (!isDirty && performance.now() < lookAt)) return
    isDirty = false
    lookAt = performance.now() + LOOK_EVERY_MS
    await logs.seal().catch(error => {
      isDirty = true
      halt(error)
    })
  }, onError)
  const moves = createRounds(async () => {
    if (halted) throw halted
    if (await moveOutbox(store, ledger)) {
      isDirty = true
      following.stored()
    }
    await progress.save()
  }, onError)
  const anchors = createRounds(async () => {
    if (!halted) await logs.anchor().catch(halt)
  }, onError)
  const retention = createRetention({ store, ledger, now })
  const expiries = createRounds(async () => {
    if (!halted) await retention.expire()
  }, onError)
  let gathering: NodeJS.Timeout | undefined
  const forget = store.afterCommits(() => {
    gathering ??= setTimeout(() => {
      gathering = undefined
      moves.wake()
    }, GATHER_MS).unref()
  })
  moves.wake()
  seals.wake()
  // Witnesses are asked at once: they may know of more than there is here.
  if (options.witnesses?.length) anchors.wake()
  const timers = [
    setInterval(() => moves.wake(), ROUND_EVERY_MS).unref(),
    setInterval(() => seals.wake(), SEAL_EVERY_MS).unref(),
    setInterval(() => anchors.wake(), ANCHOR_EVERY_MS).unref(),
    setInterval(() => expiries.wake(), EXPIRE_EVERY_MS).unref(),
  ]
  const counts = { accepted: 0, repeated: 0, conflicts: 0 }
  const anchored: Logs = { ...logs, anchor: () => anchors.round() }
  async function flush(): Promise<void> {
    await moves.round()
    await seals.round()
  }
  return {
    async ingest(point, epoch, shipments) {
      if (halted) throw halted
      const batch = toBatch({ point, epoch, receivedAt: now() }, shipments, terms)
      const [result] = await ledger.ingest([batch])
      if (!result) throw new Error('unreachable: each batch has a result')
      isDirty = true
      following.stored()
      counts.accepted += result.accepted
      counts.repeated += result.repeated
      counts.conflicts += result.conflicts
      progress.note(point, { epoch, counter: result.counter, missing: result.missing })
      return result
    },
    calls: query => findCalls(ledger, store, query, now()),
    who: query => findWho(ledger, store.db, query, now()),
    counts: query => findCounts(ledger, store.db, query, now()),
    async changes(query) {
      // Whoever asks has perhaps just made the change.
      await moves.round().catch(onError)
      return findChanges(ledger, store, query, now())
    },
    get: decision => getCall(ledger, decision),
    logs: anchored,
    proof: createProof({ store, ledger, logs: anchored, flush, now }),
    following: {
      ...following,
      async heads(name) {
        // What was recorded before lies behind them.
        await moves.round()
        return following.heads(name)
      },
    },
    async figures() {
      const { outbox } = await store.db
        .selectFrom('auditOutbox')
        .select(eb => eb.fn.countAll<number>().as('outbox'))
        .executeTakeFirstOrThrow()
      return { ...counts, missing: await ledger.missing(), outbox: outbox }
    },
    retention: {
      ...retention,
      // Once it is said to be held, nothing of it goes any more, by what is under way neither.
      hold: (wish, actor) => expiries.apart(() => retention.hold(wish, actor)),
      expire: () => expiries.apart(retention.expire),
    },
    flush,
    async close() {
      for (const timer of timers) clearInterval(timer)
      clearTimeout(gathering)
      forget()
      await expiries.apart(async () => undefined).catch(onError)
      // What cannot be moved on or signed now stays where it is, for the next start.
      await moves.round().catch(onError)
      await seals.round().catch(onError)
      await anchors.round().catch(onError)
      await logs.close()
      await ledger.close()
    },
  }
}

function openLedger(
  options: AuditOptions,
  secret: string,
  onError: (error: unknown) => void,
): Promise<Ledger> {
  const { store, path, now, headRecords = HEAD_RECORDS } = options
  return store.dialect === 'sqlite'
    ? openSqliteLedger({ path, secret, now, headRecords, onError })
    : openPostgresLedger(store, { secret, now })
}

function openLogs(ledger: Ledger, options: AuditOptions, onError: (error: unknown) => void): Promise<Logs> {
  const { store, path, origin, now, witnesses = [] } = options
  const directory = path === ':memory:' ? undefined : dirname(path)
  if (directory !== undefined) mkdirSync(directory, { recursive: true, mode: 0o700 })
  const memoryPath = directory && join(directory, 'checkpoints')
  return createLogs({ store, ledger, origin, memoryPath, witnesses, now, onError })
}
