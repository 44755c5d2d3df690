import { isoTime } from '@valetkey/sdk/core'
import type { Context } from './context.ts'
import type { InputOf, OutputOf } from './operation.ts'
import { readPage } from './page.ts'

/** Lists guards and gateways. One is live while its lease lasts; after it, it decides nothing. */
export async function listPoints(
  ctx: Context,
  input: InputOf<'points', 'list'>,
): Promise<OutputOf<'points', 'list'>> {
  const now = await ctx.store.clock(ctx.store.db)
  const read = (after: string, limit: number) =>
    ctx.store.db
      .selectFrom('enforcementPoint')
      .selectAll()
      .where('id', '>', after)
      .orderBy('id')
      .limit(limit)
      .execute()
  return readPage(ctx, 'points', input, read, row => ({
    id: row.id,
    server: row.serverId,
    kind: row.kind,
    epoch: row.epoch,
    version: row.version,
    live: row.leaseUntil > now,
    lastSeenAt: row.lastSeenAt,
    leaseUntil: row.leaseUntil > 0 ? isoTime(row.leaseUntil) : null,
    records: row.recordCounter,
    gaps: row.recordGaps,
  }))
}
