import type { Store } from '../store/index.ts'

/** Whether every enforcement point has confirmed a revision (the contract's `Barrier`). */
export interface BarrierResult {
  organization: string
  revision: number
  complete: boolean
  elapsedMs: number
  points: { id: string; kind: string; outcome: Outcome; ms: number }[]
}

type Outcome = 'confirmed' | 'lease_ended' | 'waiting'

const FIRST_PAUSE_MS = 2
const LONGEST_PAUSE_MS = 50

/**
 * Waits until no enforcement point can decide on anything older than a revision that is committed: each has acknowledged
 * it, or its lease is over. `renewLease` says why a renewal cannot slip through. Everything is read from the database,
 * so it does not matter which node a point talks to; `acknowledged` only shortens the wait where it is this one.
 */
export async function awaitBarrier(
  store: Store,
  barrier: { organization: string; revision: number; waitMs: number },
  acknowledged: (withinMs: number) => Promise<void>,
): Promise<BarrierResult> {
  const { organization, revision, waitMs } = barrier
  const began = performance.now()
  const settled = new Map<string, number>()
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 1.5, LONGEST_PAUSE_MS)) {
    const states = await readPoints(store, organization, revision)
    const elapsedMs = performance.now() - began
    for (const { id, outcome } of states)
      if (outcome !== 'waiting' && !settled.has(id)) settled.set(id, elapsedMs)
    const complete = states.every(({ outcome }) => outcome !== 'waiting')
    const restMs = waitMs - elapsedMs
    if (complete || restMs <= 0) {
      const points = states.map(state => ({ ...state, ms: round(settled.get(state.id) ?? elapsedMs) }))
      return { organization, revision, complete, elapsedMs: round(elapsedMs), points }
    }
    await acknowledged(Math.min(pauseMs, restMs))
  }
}

/**
 * How far each point is that holds the organization, and each whose earlier start was fenced and may still be deciding:
 * that one acknowledges nothing more, so only the end of its lease settles it.
 */
async function readPoints(
  store: Store,
  organization: string,
  revision: number,
): Promise<{ id: string; kind: string; outcome: Outcome }[]> {
  // The clock stands still before the rows are read: a lease that is over on it was over then.
  const time = store.time()
  const rows = await store.db
    .selectFrom('enforcementPoint')
    .leftJoin('enforcementPointOrganization', join =>
      join
        .onRef('enforcementPointOrganization.pointId', '=', 'enforcementPoint.id')
        .on('enforcementPointOrganization.organizationId', '=', organization),
    )
    .where(eb =>
      eb.or([
        eb('enforcementPointOrganization.pointId', 'is not', null),
        eb('enforcementPoint.fencedUntil', '>', time),
      ]),
    )
    .select(['id', 'kind', 'leaseUntil', 'fencedUntil', 'acknowledgedRevision', time.as('now')])
    .orderBy('id')
    .execute()
  return rows.map(row => {
    const acknowledged = row.acknowledgedRevision !== null && row.acknowledgedRevision >= revision
    const present = acknowledged || row.leaseUntil <= row.now || row.acknowledgedRevision === null
    const outcome =
      !present || row.fencedUntil > row.now ? 'waiting' : acknowledged ? 'confirmed' : 'lease_ended'
    return { id: row.id, kind: row.kind, outcome }
  })
}

function round(ms: number): number {
  return Math.round(ms * 10) / 10
}

/** Lets barriers on this node look again as soon as a point has acknowledged something here. */
export function createWakeUp(): { wake(): void; sleep(mostMs: number): Promise<void> } {
  const sleepers = new Set<() => void>()
  return {
    wake() {
      for (const sleeper of [...sleepers]) sleeper()
    },
    sleep(mostMs) {
      return new Promise(resolve => {
        const timer = setTimeout(rise, mostMs)
        function rise(): void {
          clearTimeout(timer)
          sleepers.delete(rise)
          resolve()
        }
        sleepers.add(rise)
      })
    },
  }
}
