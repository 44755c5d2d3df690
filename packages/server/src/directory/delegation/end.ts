import { beginChange, type Tx } from '../../store/index.ts'
import type { Context } from '../context.ts'
import { byWhom, type InputOf, lock, type OutputOf, recordBy, timeOf } from '../operation.ts'
import { locateDelegation, readDelegation } from './links.ts'

type Delegation = OutputOf<'delegations', 'get'>

/** Which links end: those that these columns name. */
export interface WhichLinks {
  organizationId: string
  id?: string
  ruleId?: string
  grantId?: string
  /** The agent that delegated, or was delegated to. */
  agentId?: string
}

/** Ends a link. All that rest on it end with it, at every enforcement point, by this one change. */
export async function revokeDelegation(
  ctx: Context,
  input: InputOf<'delegations', 'revoke'> & { reason?: string | undefined },
): Promise<Delegation> {
  const { organizationId } = await locateDelegation(ctx.store.db, input)
  return ctx.store.write(async tx => {
    await lock(tx, organizationId)
    const before = await locateDelegation(tx, input)
    if (before.endedAt !== null) return readDelegation(ctx, tx, before.id)
    await endLinks(ctx, tx, { organizationId, id: before.id })
    const { delegatorId: delegator, delegateId: delegate, grantId: grant } = before
    const detail = { delegator, delegate, grant, reason: input.reason ?? '' }
    await recordBy(ctx, tx, {
      organization: organizationId,
      type: 'delegation.revoked',
      target: before.id,
      detail,
    })
    return readDelegation(ctx, tx, before.id)
  })
}

/** Ends links in a transaction that holds the organization's lock, and says how many. */
export async function endLinks(
  ctx: Context,
  tx: Tx,
  { organizationId, agentId, ...named }: WhichLinks,
): Promise<number> {
  let query = tx
    .updateTable('delegation')
    .set({ endedAt: timeOf(ctx), ending: 'revoked' })
    .where('organizationId', '=', organizationId)
    .where('endedAt', 'is', null)
  for (const [column, value] of Object.entries(named) as [keyof typeof named, string | undefined][])
    if (value !== undefined) query = query.where(column, '=', value)
  if (agentId !== undefined)
    query = query.where(eb => eb.or([eb('delegatorId', '=', agentId), eb('delegateId', '=', agentId)]))
  const ended = await query.returning(['id', 'activatedAt']).execute()
  await withdraw(ctx, tx, organizationId, ended)
  return ended.length
}

/** Takes out of the facts what has ended by itself, so that enforcement points need not remember it for ever. */
export async function sweepLinks(ctx: Context, tx: Tx, organizationId: string): Promise<void> {
  const ended = await tx
    .updateTable('delegation')
    .set({ endedAt: timeOf(ctx), ending: 'expired' })
    .where('organizationId', '=', organizationId)
    .where('endedAt', 'is', null)
    .where('expiresAt', '<', timeOf(ctx))
    .returning(['id', 'activatedAt'])
    .execute()
  await withdraw(ctx, tx, organizationId, ended)
}

/** Those that were never taken up are no facts. */
async function withdraw(
  ctx: Context,
  tx: Tx,
  organizationId: string,
  ended: readonly { id: string; activatedAt: string | null }[],
): Promise<void> {
  const ids = ended.filter(({ activatedAt }) => activatedAt !== null).map(({ id }) => id)
  if (ids.length === 0) return
  const change = await beginChange(tx, organizationId, byWhom(ctx))
  await change.logAll(ids.map(id => ({ fact: 'link', id, value: null })))
}
