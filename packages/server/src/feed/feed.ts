import type { Hono } from 'hono'
import type { Store } from '../store/index.ts'
import { awaitBarrier, type BarrierResult, createWakeUp } from './barrier.ts'
import { createFollower } from './follower.ts'
import type { Position } from './position.ts'
import { prune } from './prune.ts'
import type { RecordSink } from './records.ts'
import { createRoutes } from './routes.ts'
import { findLiveSessions, type Session } from './session.ts'
import { openStream, type Stream } from './stream.ts'

export interface FeedOptions {
  store: Store
  audit?: RecordSink
  issuer: string
  now(): number
  leaseMs?: number
  dangerousLeaseMs?: number
  /** How often the revisions are looked at when no hint came. */
  pollMs?: number
  /** How often streams show a sign of life, and are ended where the session has ended. */
  beatMs?: number
  stallMs?: number
  /** Told of faults that nobody waits for, such as a database that does not answer a look at the revisions. */
  onFault?(fault: unknown): void
}

export interface Feed {
  /** Answers everything under `/feed/`. */
  readonly app: Hono
  /** Waits, at most so long, until no enforcement point can decide on anything older than a committed revision. */
  barrier(organization: string, revision: number, waitMs: number): Promise<BarrierResult>
  /** Ends all streams, so that points connect to another node. */
  close(): void
}

/** Of one session: a point has two at most, while it changes from one position to another. */
const MOST_STREAMS = 4
const PRUNE_EVERY_MS = 3600 * 1000

/** Serves facts, changes and leases to enforcement points, and takes in what they report. */
export function createFeed(options: FeedOptions): Feed {
  const { store, issuer, now, audit, leaseMs = 5_000, dangerousLeaseMs = 1_000 } = options
  const { pollMs = 250, beatMs = 2_000, stallMs = 10_000 } = options
  const onFault = options.onFault ?? (() => {})
  const onRepeatedFault = seldom(onFault, now)
  const follower = createFollower(store, pollMs, onRepeatedFault)
  const streams = new Set<Stream>()
  const acknowledged = createWakeUp()
  let closed = false

  function subscribe(session: Session, position: Position): ReadableStream<Uint8Array> {
    const { point, hash: sessionHash, server } = session
    const onEnd = (ended: Stream) => void streams.delete(ended)
    const common = { follower, stallMs, onEnd, onFault }
    const stream = openStream({ ...common, point, sessionHash, server: server.id, position })
    streams.add(stream)
    const own = [...streams].filter(other => other.sessionHash === sessionHash)
    if (own.length > MOST_STREAMS) own[0]?.close()
    if (closed) stream.close()
    return stream.body
  }

  /** A fenced start, or one whose server key was revoked, is told nothing more. */
  async function beat(): Promise<void> {
    const open = [...streams]
    const live = await findLiveSessions(store.db, [...new Set(open.map(stream => stream.sessionHash))])
    for (const stream of open) {
      if (live.has(stream.sessionHash)) stream.beat()
      else stream.close()
    }
  }

  const timers = [
    setInterval(() => void beat().catch(onRepeatedFault), beatMs),
    setInterval(() => void prune(store, now()).catch(onFault), PRUNE_EVERY_MS),
  ]
  for (const timer of timers) timer.unref()

  return {
    app: createRoutes({
      ...{ store, audit, issuer, now, subscribe, onFault },
      terms: { leaseMs, dangerousLeaseMs },
      onRegistered(point) {
        for (const stream of streams) if (stream.point === point) stream.close()
      },
      onAcknowledged: acknowledged.wake,
    }),
    barrier: (organization, revision, waitMs) =>
      awaitBarrier(store, { organization, revision, waitMs }, acknowledged.sleep),
    close() {
      closed = true
      for (const timer of timers) clearInterval(timer)
      for (const stream of streams) stream.close()
      follower.close()
    },
  }
}

/** Of what fails again several times a second while the database is away, one in five seconds is told. */
function seldom(report: (fault: unknown) => void, now: () => number): (fault: unknown) => void {
  let reportedAt = Number.NEGATIVE_INFINITY
  return fault => {
    if (now() - reportedAt < 5_000) return
    reportedAt = now()
    report(fault)
  }
}
