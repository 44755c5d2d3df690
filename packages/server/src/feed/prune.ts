import { isoTime } from '@valetkey/sdk/core'
import type { Store } from '../store/index.ts'

const KEPT_REVISIONS = 10_000
const DAY_MS = 24 * 3600 * 1000
const KEPT_MS = 7 * DAY_MS

/**
 * Puts away old changes (a subscriber that is further behind loads anew; they stay as history, by which decisions are rebuilt)
 * and forgets what nobody will ask for: what long-silent
 * points held, marks of used proofs and revocations of tokens that have expired since.
 */
export async function prune(store: Store, now: number): Promise<void> {
  for (const [organization, revision] of await findPrunable(store, now))
    await store.write(async tx => {
      const columns = [
        ...(['organizationId', 'revision', 'ord', 'fact', 'factId', 'value', 'actor', 'at'] as const),
      ]
      await tx
        .insertInto('changeHistory')
        .columns(columns)
        .expression(eb =>
          eb
            .selectFrom('changeLog')
            .select(columns)
            .where('organizationId', '=', organization)
            .where('revision', '<=', revision)
            // There can be millions, and a record says where its resource lay.
            .where(each => each.or([each('fact', '!=', 'resource'), each('value', 'is', null)])),
        )
        .execute()
      // Always the oldest ones and all of them: readers tell an empty revision from a pruned one by that.
      await tx
        .deleteFrom('changeLog')
        .where('organizationId', '=', organization)
        .where('revision', '<=', revision)
        .execute()
    })
  const silent = (await store.clock(store.db)) - DAY_MS
  await store.write(async tx => {
    // Takes the points' rows first, as a renewal does: a point that comes back right now is either left alone or notes
    // again what it holds.
    const points = await tx
      .updateTable('enforcementPoint')
      .set({ leaseUntil: 0 })
      .where('leaseUntil', '>', 0)
      .where('leaseUntil', '<', silent)
      .returning('id')
      .execute()
    for (const { id } of points)
      await tx.deleteFrom('enforcementPointOrganization').where('pointId', '=', id).execute()
    await tx
      .deleteFrom('replay')
      .where('id', 'like', 'feed:%')
      .where('expiresAt', '<', Math.floor(now / 1000))
      .execute()
    await tx
      .deleteFrom('revokedToken')
      .where('expiresAt', '<', isoTime(now - DAY_MS))
      .execute()
  })
}

/** By organization, the newest revision whose changes may go. */
async function findPrunable(store: Store, now: number): Promise<Map<string, number>> {
  const prunable = new Map<string, number>()
  const old = await store.db
    .selectFrom('changeLog')
    .where('at', '<', isoTime(now - KEPT_MS))
    .groupBy('organizationId')
    .select(eb => ['organizationId', eb.fn.max('revision').as('revision')])
    .execute()
  for (const { organizationId, revision } of old) prunable.set(organizationId, Number(revision))
  const long = await store.db
    .selectFrom('organization')
    .where('revision', '>', KEPT_REVISIONS)
    .select(['id', 'revision'])
    .execute()
  for (const { id, revision } of long)
    prunable.set(id, Math.max(prunable.get(id) ?? 0, revision - KEPT_REVISIONS))
  // What is yet to be told to receivers of security events is kept.
  for (const { organizationId: id, revision } of await store.db
    .selectFrom('signalCursor')
    .selectAll()
    .execute())
    if (prunable.has(id)) prunable.set(id, Math.min(prunable.get(id) ?? 0, revision))
  return prunable
}
