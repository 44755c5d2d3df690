import { AppError, CATALOGUE, type Clock, type Risk } from '../../core/index.ts'
import type { Snapshot } from '../../engine/index.ts'
import { createCopy } from './copy.ts'
import { createFeed } from './feed.ts'
import { createLease } from './lease.ts'
import type { Link } from './link.ts'
import { pause } from './pause.ts'
import { createRenewal } from './renewal.ts'

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

/** Loads the catalogue, follows the feed and keeps the lease. Resolves once decisions can be made. */
export async function startReplica({ link, clock, onEnded, log }: ReplicaOptions): Promise<Replica> {
  const copy = createCopy(link)
  const { snapshot } = copy
  const lease = createLease(clock)
  const ended = new AbortController()
  const isEnded = () => ended.signal.aborted
  const { renew, renewOnce } = createRenewal({ link, copy, lease, isEnded, onFault: end, log })
  const feed = createFeed({ link, copy, ended: ended.signal, onFault: end })
  const loading = new Map<string, Promise<boolean>>()

  function end(fault: unknown): void {
    if (fault instanceof AppError && (fault.code === 'point.fenced' || fault.code === 'auth.invalid')) {
      if (isEnded()) return
      close()
      onEnded(fault)
    } else log('The lease could not be renewed.', fault)
  }

  function close(): void {
    ended.abort()
    clearInterval(timer)
    lease.end()
  }

  /** Whether an organization is held at this revision; asks for it where it is not. */
  async function catchUp(organization: string, revision: number): Promise<boolean> {
    const isThere = () => (snapshot.revisionOf(organization) ?? -1) >= revision
    // A renewal that was under way may have been answered before the revision was made.
    for (let round = 0; round < 2 && !isThere(); round++)
      await Promise.race([renew(), pause(1_000, ended.signal)])
    return isThere()
  }

  async function hold(organization: string): Promise<boolean> {
    try {
      await copy.load(organization)
    } catch (fault) {
      log(`Organization ${organization} could not be loaded.`, fault)
      return false
    }
    // The feed is asked again, now for this organization too, from exactly the revision that was loaded.
    feed.restart()
    return true
  }

  await copy.load(CATALOGUE)
  await renewOnce()
  const timer = setInterval(() => void renew(), RENEW_EVERY_MS).unref()
  void feed.follow()

  return {
    snapshot,
    hold(organization, revision = 0) {
      const at = snapshot.revisionOf(organization)
      if (at !== undefined) return at >= revision || catchUp(organization, revision)
      let pending = loading.get(organization)
      if (!pending) {
        pending = hold(organization)
        loading.set(organization, pending)
        void pending.finally(() => loading.delete(organization))
      }
      return pending
    },
    async ensureLease(risk) {
      if (!lease.holds(risk) && !isEnded()) await Promise.race([renew(), pause(1_000, ended.signal)])
      return lease.holds(risk)
    },
    hasLease: risk => lease.holds(risk),
    onApplied: copy.onApplied,
    ageMs: () => lease.ageMs(),
    close,
  }
}
