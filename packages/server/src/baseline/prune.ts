import { isoTime } from '@valetkey/sdk/core'
import type { Store } from '../store/index.ts'

const DAY_MS = 24 * 3_600_000
/** Longer than a year, so that what comes once a year can be compared. */
const KEPT_DAYS = 400

/**
 * Forgets alerts that are older than 400 days, and those that outlived the calls that they rest on, where their organization keeps
 * calls for less. That they were raised stays on record for as long as changes do. One that still asks for a suspension stays.
 */
export async function pruneAlerts(store: Store, now: number): Promise<void> {
  const kept = await store.db
    .selectFrom('evidenceRetention')
    .select(['organizationId', 'days'])
    .where('kind', '=', 'calls')
    .where('days', '<', KEPT_DAYS)
    .execute()
  const before = (days: number) => isoTime(now - days * DAY_MS)
  await store.write(async tx => {
    const gone = tx.deleteFrom('alert').where('suspension', '!=', 'pending')
    await gone.where('raisedAt', '<', before(KEPT_DAYS)).execute()
    for (const { organizationId, days } of kept)
      await gone.where('organizationId', '=', organizationId).where('raisedAt', '<', before(days)).execute()
  })
}
