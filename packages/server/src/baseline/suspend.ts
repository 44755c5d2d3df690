import { AppError } from '@valetkey/sdk/core'
import { record } from '../audit/index.ts'
import { type Context, freeze, type WaitForPoints } from '../directory/index.ts'
import type { AlertRow } from './alert.ts'

const WAIT_MS = 10_000
const LONGEST_REASON = 500
const MOST_AT_ONCE = 100

/** Suspensions that alerts ask for. */
export interface Suspensions {
  /** Begins with each that nobody has begun with here; false where there are none to finish. */
  start(): Promise<boolean>
  /** Resolves once those that were begun are confirmed, or have failed. */
  settled(): Promise<void>
}

/**
 * Suspends the agents of alerts that ask for it, as a person would: by the same operation, with the reason on record, and
 * waiting until the enforcement points have it. No agent waits for what another's points confirm. One that was killed in
 * between is repeated, which changes nothing.
 */
export function createSuspensions(
  ctx: Context,
  waitForPoints: WaitForPoints,
  onFault: (fault: unknown) => void,
): Suspensions {
  const underWay = new Map<string, Promise<void>>()
  return {
    async start() {
      const pending = await ctx.store.db
        .selectFrom('alert')
        .selectAll()
        .where('suspension', '=', 'pending')
        .orderBy('id')
        .limit(MOST_AT_ONCE)
        .execute()
      for (const alert of pending) {
        if (underWay.has(alert.id)) continue
        const done = suspend(ctx, alert, waitForPoints)
          .catch(onFault)
          .finally(() => underWay.delete(alert.id))
        underWay.set(alert.id, done)
      }
      return pending.length > 0
    },
    async settled() {
      await Promise.all(underWay.values())
    },
  }
}

async function suspend(ctx: Context, alert: AlertRow, waitForPoints: WaitForPoints): Promise<void> {
  const { id, organizationId, agentId, sentence } = alert
  const reason = `Alert ${id}: ${sentence}`.slice(0, LONGEST_REASON)
  try {
    const { barrier } = await freeze(
      ctx,
      { kind: 'agent', id: agentId, organization: organizationId, reason, waitMs: WAIT_MS },
      waitForPoints,
    )
    // One whose lease has ended decides nothing any more.
    const points = barrier?.points ?? []
    const confirmed = points.filter(({ outcome }) => outcome !== 'waiting').length
    await note(ctx, alert, 'done', { confirmed, points: points.length })
  } catch (fault) {
    // An agent that is retired, or not there any more: there is nothing to stop.
    if (!(fault instanceof AppError) || fault.status >= 500) throw fault
    await note(ctx, alert, 'failed', { reason: fault.message })
  }
}

async function note(
  { store, actor, now }: Context,
  { id, organizationId, agentId, kind }: AlertRow,
  suspension: 'done' | 'failed',
  more: Record<string, string | number>,
): Promise<void> {
  await store.write(async tx => {
    await tx.updateTable('alert').set({ suspension }).where('id', '=', id).execute()
    const detail = { alert: id, agent: agentId, kind, ...more }
    const type = suspension === 'done' ? 'alert.suspended' : 'alert.suspension_failed'
    await record(tx, { organization: organizationId, type, actor: actor.id, target: agentId, detail }, now())
  })
}
