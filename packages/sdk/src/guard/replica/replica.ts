import { AppError, CATALOGUE, type Change, type Clock, type Risk } from '../../core/index.ts'
import { createSnapshot, type Snapshot } from '../../engine/index.ts'
import type { Link } from './link.ts'

export interface ReplicaOptions {
  link: Link
  clock: Clock
  /** Called when the authority ends this start for good: fenced by a newer one, or its server key was revoked. */
  onEnded(reason: AppError): void
  log(message: string, fault?: unknown): void
}

/** The enforcement point's copy of the policy, and its right to decide on it. */
export interface Replica {
  readonly snapshot: Snapshot
  /**
   * Loads an organization that a token named, and catches up with the revision that the token was issued at; true at once
   * where it is here. False where it cannot be had: the call is then refused as stale.
   */
  hold(organization: string, revision?: number): true | Promise<boolean>
  /** Whether decisions of this risk may be made now, after asking for a renewal where the lease is too old. */
  ensureLease(risk: Risk): Promise<boolean>
  /** The same without asking: for the last look before a call is released. */
  hasLease(risk: Risk): boolean
  /** Called after each applied change, with the organization. */
  onApplied(listener: (organization: string) => void): void
  ageMs(): number
  close(): void
}

const RENEW_EVERY_MS = 1_500
const CATCH_UP_MS = 250
const RETRY_MS = [100, 200, 500, 1_000, 2_000] as const

/** Loads the catalogue, follows the feed and keeps the lease. Resolves once decisions can be made. */
export async function startReplica(options: ReplicaOptions): Promise<Replica> {
  const { link, clock } = options
  const snapshot = createSnapshot()
  const loading = new Map<string, Promise<boolean>>()
  const listeners = new Set<(organization: string) => void>()
  const waiters = new Set<() => void>()
  const lease = createLease(clock)
  const ended = new AbortController()
  let follow = new AbortController()
  let renewal: Promise<void> | undefined
  let owesAcknowledgement = false
  /** What the last renewal named as newest, also of organizations whose snapshot is still on its way. */
  let heads: Readonly<Record<string, number>> = {}
  const held = () => [CATALOGUE, ...snapshot.organizations()]

  function applied(organization: string): void {
    for (const listener of listeners) listener(organization)
    for (const wake of [...waiters]) wake()
    owesAcknowledgement = true
    // What has arrived with it is applied first, here and at other points of this process.
    setImmediate(() => {
      if (owesAcknowledgement && !ended.signal.aborted) void renew()
    })
  }

  async function load(organization: string): Promise<void> {
    const change = await link.snapshot(organization)
    const at = snapshot.revisionOf(organization)
    if (at !== undefined && change.revision < at) return
    // Read before the last renewal and arrived after it: nobody waits any more for a decision on this.
    if (change.revision < (heads[organization] ?? 0)) return load(organization)
    snapshot.load(change)
    applied(organization)
  }

  async function take(change: Change): Promise<void> {
    const at = snapshot.revisionOf(change.organization)
    if (at === undefined || change.revision <= at) return
    if (snapshot.apply(change)) applied(change.organization)
    else await load(change.organization)
  }

  /** One renewal at a time; an acknowledgement that came up meanwhile starts the next one at once. */
  function renew(): Promise<void> {
    renewal ??= renewOnce()
      .catch(fault => end(fault))
      .finally(() => {
        renewal = undefined
        if (owesAcknowledgement && !ended.signal.aborted) void renew()
      })
    return renewal
  }

  async function renewOnce(): Promise<void> {
    owesAcknowledgement = false
    const applied = Object.fromEntries(held().map(id => [id, snapshot.revisionOf(id) ?? 0]))
    const asked = lease.mark()
    const answer = await link.lease({ applied, dropped: [] })
    heads = answer.heads
    const unnamed = Object.keys(applied).filter(id => answer.heads[id] === undefined)
    if (unnamed.length > 0)
      return options.log(`The authority does not say how far ${unnamed.join(', ')} is: no lease.`)
    // The lease holds only once all that was written before it was granted is applied here.
    const behind = () =>
      Object.entries(answer.heads).filter(([id, head]) => (snapshot.revisionOf(id) ?? head) < head)
    if (behind().length > 0) await caughtUp(() => behind().length === 0)
    for (const [organization] of behind()) await load(organization)
    if (behind().length === 0) lease.grant(asked, answer)
  }

  /** Waits a moment for the feed to deliver what a renewal said is there. */
  function caughtUp(isDone: () => boolean): Promise<void> {
    return new Promise(resolve => {
      const timer = setTimeout(finish, CATCH_UP_MS)
      function finish(): void {
        clearTimeout(timer)
        waiters.delete(check)
        resolve()
      }
      function check(): void {
        if (isDone()) finish()
      }
      waiters.add(check)
    })
  }

  /** Whether an organization is held at this revision; asks for it where it is not. */
  async function catchUp(organization: string, revision: number): Promise<boolean> {
    const isThere = () => (snapshot.revisionOf(organization) ?? -1) >= revision
    // A renewal that was under way may have been answered before the revision was made.
    for (let round = 0; round < 2 && !isThere(); round++)
      await Promise.race([renew(), pause(1_000, ended.signal)])
    return isThere()
  }

  function end(fault: unknown): void {
    if (fault instanceof AppError && (fault.code === 'point.fenced' || fault.code === 'auth.invalid')) {
      if (ended.signal.aborted) return
      close()
      options.onEnded(fault)
    } else options.log('The lease could not be renewed.', fault)
  }

  async function followFeed(): Promise<void> {
    for (let failures = 0; !ended.signal.aborted; failures++) {
      follow = new AbortController()
      const signal = AbortSignal.any([follow.signal, ended.signal])
      const from = held().map(id => `${id}.${snapshot.revisionOf(id) ?? 0}`)
      try {
        for await (const event of link.changes(from.join(','), signal)) {
          failures = 0
          if (event.kind === 'change') await take(event.change)
          else await load(event.organization)
        }
      } catch (fault) {
        if (!signal.aborted) end(fault)
      }
      if (follow.signal.aborted) failures = -1
      else await pause(RETRY_MS[Math.min(failures, RETRY_MS.length - 1)] ?? 2_000, ended.signal)
    }
  }

  function close(): void {
    ended.abort()
    clearInterval(timer)
    lease.end()
  }

  await load(CATALOGUE)
  await renewOnce()
  const timer = setInterval(() => void renew(), RENEW_EVERY_MS)
  timer.unref()
  void followFeed()

  return {
    snapshot,
    hold(organization, revision = 0) {
      const at = snapshot.revisionOf(organization)
      if (at !== undefined) return at >= revision || catchUp(organization, revision)
      let pending = loading.get(organization)
      if (!pending) {
        pending = load(organization).then(
          () => {
            // The feed is asked again, now for this organization too, from exactly the revision that was loaded.
            follow.abort()
            return true
          },
          fault => {
            options.log(`Organization ${organization} could not be loaded.`, fault)
            return false
          },
        )
        loading.set(organization, pending)
        void pending.finally(() => loading.delete(organization))
      }
      return pending
    },
    async ensureLease(risk) {
      if (!lease.holds(risk) && !ended.signal.aborted)
        await Promise.race([renew(), pause(1_000, ended.signal)])
      return lease.holds(risk)
    },
    hasLease: risk => lease.holds(risk),
    onApplied: listener => void listeners.add(listener),
    ageMs: () => lease.ageMs(),
    close,
  }
}

interface Mark {
  wall: number
  monotonic: number
}

/**
 * Counts from when the request was sent, on both clocks, and ends with the first of them: a suspended machine stops
 * the monotonic clock, an adjusted one moves the wall clock, and neither may stretch the lease.
 */
function createLease(clock: Clock) {
  let granted: (Mark & { leaseMs: number; dangerousLeaseMs: number }) | undefined
  const ageMs = () => {
    if (!granted) return Number.POSITIVE_INFINITY
    const wall = clock.now() - granted.wall
    return Math.max(clock.monotonic() - granted.monotonic, wall < 0 ? Number.POSITIVE_INFINITY : wall)
  }
  return {
    mark: (): Mark => ({ wall: clock.now(), monotonic: clock.monotonic() }),
    grant(asked: Mark, terms: { leaseMs: number; dangerousLeaseMs: number }) {
      granted = { ...asked, ...terms }
    },
    end() {
      granted = undefined
    },
    ageMs,
    holds(risk: Risk): boolean {
      return (
        granted !== undefined && ageMs() < (risk === 'dangerous' ? granted.dangerousLeaseMs : granted.leaseMs)
      )
    },
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    const timer = setTimeout(resolve, ms)
    signal.addEventListener(
      'abort',
      () => {
        clearTimeout(timer)
        resolve()
      },
      { once: true },
    )
  })
}
