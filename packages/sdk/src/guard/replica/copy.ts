import { CATALOGUE, type Change } from '../../core/index.ts'
import { createSnapshot, type Snapshot } from '../../engine/index.ts'
import type { Link } from './link.ts'

/** What is held here of the policy, revision by revision, and who is told when it moves on. */
export interface Copy {
  readonly snapshot: Snapshot
  /** The organizations that are held, the catalogue first, with the revision of each. */
  revisions(): Record<string, number>
  /** Takes an organization whole from the authority, or again where it has fallen behind. */
  load(organization: string): Promise<void>
  /** Takes the next change of the feed; one from the past changes nothing. */
  take(change: Change): Promise<void>
  /** Notes how far the authority is: a snapshot that was read before is not enough any more. */
  expect(heads: Readonly<Record<string, number>>): void
  /** Waits a moment for the feed to deliver what is known to be there. */
  caughtUp(isDone: () => boolean): Promise<void>
  onApplied(listener: (organization: string) => void): void
}

const CATCH_UP_MS = 250

export function createCopy(link: Pick<Link, 'snapshot'>): Copy {
  const snapshot = createSnapshot()
  const listeners = new Set<(organization: string) => void>()
  const waiters = new Set<() => void>()
  /** What the last renewal named as newest, also of organizations whose snapshot is still on its way. */
  let heads: Readonly<Record<string, number>> = {}

  function applied(organization: string): void {
    for (const listener of listeners) listener(organization)
    for (const wake of [...waiters]) wake()
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

  return {
    snapshot,
    revisions: () =>
      Object.fromEntries(
        [CATALOGUE, ...snapshot.organizations()].map(id => [id, snapshot.revisionOf(id) ?? 0]),
      ),
    load,
    async take(change) {
      const at = snapshot.revisionOf(change.organization)
      if (at === undefined || change.revision <= at) return
      if (snapshot.apply(change)) applied(change.organization)
      else await load(change.organization)
    },
    expect(newest) {
      heads = newest
    },
    caughtUp: isDone =>
      new Promise(resolve => {
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
      }),
    onApplied: listener => void listeners.add(listener),
  }
}
