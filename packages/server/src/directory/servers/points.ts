import { CATALOGUE, isoTime } from '@valetkey/sdk/core'
import { parseRevisionToken, unknownRevision } from '../access/index.ts'
import type { Context } from '../context.ts'
import type { InputOf, OutputOf } from '../operation.ts'
import { readPage } from '../page.ts'
import { getOrganization } from '../reference.ts'
import type { WaitForPoints } from '../revocation/index.ts'

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

/**
 * Waits until every enforcement point decides on a revision of an organization, and on the catalogue that went with it,
 * or on later ones: what was changed before then holds everywhere.
 */
export async function awaitPoints(
  ctx: Context,
  input: InputOf<'points', 'wait'>,
  waitForPoints: WaitForPoints,
): Promise<OutputOf<'points', 'wait'>> {
  const { db } = ctx.store
  const organization = await getOrganization(db, input.organization)
  const token = input.revision === undefined ? undefined : parseRevisionToken(input.revision)
  if (token && token.organization !== organization.seq && token.organization !== 0)
    throw unknownRevision('This revision token is not one of this organization.')
  const { revision: catalogue } = await db
    .selectFrom('organization')
    .select('revision')
    .where('id', '=', CATALOGUE)
    .executeTakeFirstOrThrow()
  const wanted = token ?? { organization: organization.seq, revision: organization.revision, catalogue }
  const began = performance.now()
  const first = await waitForPoints(CATALOGUE, wanted.catalogue, input.waitMs)
  if (wanted.organization === 0) return first
  const restMs = Math.max(1, input.waitMs - (performance.now() - began))
  const second = await waitForPoints(organization.id, wanted.revision, restMs)
  return { ...second, complete: first.complete && second.complete }
}
