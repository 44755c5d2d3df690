import { beginChange, type Db, hashSecret } from '../../store/index.ts'
import type { Context } from '../context.ts'
import { linkFact, type Row } from '../fact-of.ts'
import { byWhom, recordBy, timeOf } from '../operation.ts'
import { requireChain } from './basis.ts'
import { sweepLinks } from './end.ts'
import { readPaths } from './links.ts'
import { refuse } from './refuse.ts'

/**
 * Takes up a delegation by its handle, once: from then on it is a fact. Only the delegate's own clients can, and only
 * while everything that it rests on is there. Gives its id, and the revision from which on it holds.
 */
export async function redeemDelegation(
  ctx: Context,
  { handle, agent }: { handle: string; agent: string },
): Promise<{ id: string; revision: number }> {
  const hash = hashSecret(handle)
  const { organizationId } = await findOffer(ctx.store.db, hash, agent)
  return ctx.store.write(async tx => {
    const change = await beginChange(tx, organizationId, byWhom(ctx))
    const offer = await findOffer(tx, hash, agent)
    if (offer.activatedAt !== null) refuse('handle', 'The handle was used before.')
    if (offer.endedAt !== null) refuse('handle', 'The delegation was taken back.')
    if (Math.min(offer.handleExpiresAt, Date.parse(offer.expiresAt)) <= ctx.now())
      refuse('handle', 'The handle is not good any more.')
    await requireFooting(ctx, tx, offer)
    const row = { ...offer, activatedAt: timeOf(ctx) }
    await tx
      .updateTable('delegation')
      .set({ activatedAt: row.activatedAt })
      .where('id', '=', row.id)
      .execute()
    await change.log({ fact: 'link', id: row.id, value: linkFact(row) })
    await sweepLinks(ctx, tx, organizationId)
    const detail = { delegator: row.delegatorId, grant: row.grantId, parent: row.parentId }
    await recordBy(ctx, tx, {
      organization: organizationId,
      type: 'delegation.activated',
      target: row.id,
      detail,
    })
    return { id: row.id, revision: change.revision }
  })
}

/** One that is for somebody else is as unknown as one that was never made. */
async function findOffer(db: Db, handleHash: string, agent: string): Promise<Row<'delegation'>> {
  const found = await db
    .selectFrom('delegation')
    .selectAll()
    .where('handleHash', '=', handleHash)
    .executeTakeFirst()
  if (!found || found.delegateId !== agent) refuse('handle', 'The handle is unknown.')
  return found
}

/** The agent that delegated, the links before, the grant and the rule are still there. */
async function requireFooting(ctx: Context, tx: Db, offer: Row<'delegation'>): Promise<void> {
  const path = (await readPaths(tx, [offer.id])).get(offer.id) ?? []
  // This one is looked at as if it were taken up already.
  await requireChain(ctx, tx, path, offer.id)
  const rule = await tx
    .selectFrom('delegationRule')
    .select('id')
    .where('id', '=', offer.ruleId)
    .executeTakeFirst()
  if (!rule) refuse('rule', 'The rule that let it be made is gone.')
}
