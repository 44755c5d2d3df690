import { isoTime } from '@valetkey/sdk/core'
import type { Audit, Follower } from '../audit/index.ts'
import type { WaitForPoints } from '../directory/index.ts'
import type { Store, Tx } from '../store/index.ts'
import type { AlertRow } from './alert.ts'
import { createObservation, type Observation } from './observation.ts'
import { alertHandlers } from './operations.ts'
import { pruneAlerts } from './prune.ts'
import { ACTOR } from './raise.ts'
import { createSuspensions, type Suspensions } from './suspend.ts'

const FOLLOWER = 'baseline'
/** How often progress is noted where there is nothing to tell; after a kill so much is observed again, to the same end. */
const SAVE_EVERY_MS = 10_000
const PRUNE_EVERY_MS = 3_600_000

export interface BaselineOptions {
  store: Store
  audit: Audit
  now(): number
  waitForPoints: WaitForPoints
  /** Tells others of an alert, in the transaction that raises it. */
  onAlert?(tx: Tx, alert: AlertRow): Promise<void>
  onFault(fault: unknown): void
}

export interface Baseline {
  readonly handlers: typeof alertHandlers
  /** Records that were not observed yet, and alerts that this node has raised, by kind. */
  figures(): Promise<{ backlog: number; raised: ReadonlyMap<string, number> }>
  /** Observes what has come in now, without waiting for the next round, and does what follows from it. */
  wake(): Promise<void>
  close(): Promise<void>
}

/** Begins to observe what agents do, where that was left, and goes on until it is closed. */
export async function openBaseline(options: BaselineOptions): Promise<Baseline> {
  const { store, audit, now, waitForPoints, onFault, onAlert = async () => undefined } = options
  const { following } = audit
  await store.write(tx => following.begin(tx, FOLLOWER, [], isoTime(now())))
  const follower = following.open(FOLLOWER)
  let isClosed = false
  const observation = createObservation({ store, follower, now, onAlert, isClosed: () => isClosed })
  const suspensions = createSuspensions({ store, actor: ACTOR, now }, waitForPoints, onFault)
  const watch = following.watch(createRound(options, { follower, observation, suspensions }), {
    now,
    onFault,
  })
  return {
    handlers: alertHandlers,
    async figures() {
      const backlogs = await following.backlogs([{ id: FOLLOWER, name: undefined }])
      return { backlog: backlogs.get(FOLLOWER) ?? 0, raised: observation.raised }
    },
    async wake() {
      await watch.look()
      await suspensions.settled()
    },
    async close() {
      isClosed = true
      await watch.close()
      await suspensions.settled()
      await observation.save().catch(onFault)
      await follower.release().catch(onFault)
    },
  }
}

/** Observes every log that has grown, on the one node that does, and begins with what alerts ask for. */
function createRound(
  { store, audit, now }: BaselineOptions,
  parts: { follower: Follower; observation: Observation; suspensions: Suspensions },
): () => Promise<void> {
  const { follower, observation, suspensions } = parts
  /** How the logs stood when the last round had read them to their end. */
  let settled: string | undefined
  let hasPending = true
  let pruneAt = 0
  return async () => {
    if (now() >= pruneAt) {
      pruneAt = now() + PRUNE_EVERY_MS
      await pruneAlerts(store, now())
    }
    const heads = await audit.following.heads()
    const state = heads.map(({ name, generation, entries }) => `${name}/${generation}:${entries}`).join(' ')
    // A node at rest writes nothing: not even that it holds its lease.
    if (state === settled && !observation.hasUnsaved() && !hasPending) return
    settled = undefined
    if (!(await observation.hold())) return
    for (const log of follower.logs(heads))
      if (log.organization !== null && observation.isBehind(log))
        await observation.observe(log, log.organization)
    if (now() - observation.savedAt() >= SAVE_EVERY_MS) await observation.save()
    settled = state
    hasPending = true
    hasPending = await suspensions.start()
  }
}
