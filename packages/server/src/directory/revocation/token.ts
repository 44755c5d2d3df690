import { AppError, isoTime } from '@valetkey/sdk/core'
import { beginChange, prepareInsert, prepareQuery, send } from '../../store/index.ts'
import type { Context } from '../context.ts'
import { type Row, revokedTokenFact } from '../fact-of.ts'
import { byWhom, recordBy } from '../operation.ts'
import { getOrganization } from '../reference.ts'
import { asOne, type Done } from './done.ts'

/** The longest that a token lives, and how far clocks may differ: so long is the revocation of an unknown one kept. */
const LONGEST_TOKEN_MS = 15 * 60 * 1000 + 60 * 1000

/** A token by its `jti`, and the organization that it is of. */
export interface NamedToken {
  id: string
  organization?: string | undefined
  reason: string
}

/** A token is known by its `jti` alone, so it can be taken back although nothing of it is kept here. */
export function requireTokenId(id: string): void {
  if (!/^[\x21-\x7e]{8,200}$/.test(id) || id.startsWith('eyJ'))
    throw new AppError('request.invalid', 'Name the token by its "jti", not by the token itself.', {
      path: 'id',
    })
}

const findToken = prepareQuery((db, { id }: { id: string }) =>
  db.selectFrom('revokedToken').select(['organizationId', 'frozen']).where('id', '=', id),
)
const insertTokens = prepareInsert('revokedToken', ['id', 'organizationId', 'agentId', 'frozen', 'expiresAt'])
const forgetEnded = prepareQuery((db, of: { organization: string; now: string }) =>
  db
    .deleteFrom('revokedToken')
    .where('organizationId', '=', of.organization)
    .where('expiresAt', '<', of.now)
    .returning('id'),
)

/** Denies a token by its `jti` until it would have expired, and forgets those that have; for good, or to be thawed. */
export async function denyToken(
  ctx: Context,
  token: NamedToken & { agent?: string; expiresAt?: number; isFrozen?: boolean },
): Promise<Done> {
  const { id: organizationId } = await getOrganization(ctx.store.db, token.organization)
  const row: Row<'revokedToken'> = {
    ...{ id: token.id, organizationId, agentId: token.agent ?? '', frozen: token.isFrozen ? 1 : 0 },
    expiresAt: isoTime(token.expiresAt ?? ctx.now() + LONGEST_TOKEN_MS),
  }
  return asOne(ctx, { id: row.id, organization: organizationId }, async (ctx, tx) => {
    const [known] = await findToken(tx, { id: row.id })
    if (known && known.organizationId !== organizationId)
      throw new AppError('conflict.state', `A token of this "jti" is revoked in another organization.`)
    // One that is revoked for good stays so; one that is frozen can be revoked.
    if (known && known.frozen <= row.frozen) return
    const change = await beginChange(tx, organizationId, byWhom(ctx))
    if (known)
      await tx.updateTable('revokedToken').set({ frozen: row.frozen }).where('id', '=', row.id).execute()
    else await send(tx, insertTokens(tx, [row]))
    await change.log({ fact: 'revoked_token', id: row.id, value: revokedTokenFact(row) })
    const ended = await forgetEnded(tx, { organization: organizationId, now: isoTime(ctx.now()) })
    await change.logAll(ended.map(({ id }) => ({ fact: 'revoked_token', id, value: null })))
    await recordBy(ctx, tx, {
      organization: organizationId,
      type: row.frozen ? 'token.frozen' : 'token.revoked',
      target: row.id,
      detail: { agent: row.agentId || null, until: row.expiresAt, reason: token.reason },
    })
  })
}

/** Lets a frozen token be used again. One that was revoked stays so. */
export async function thawToken(ctx: Context, token: NamedToken): Promise<Done> {
  const { id: organizationId } = await getOrganization(ctx.store.db, token.organization)
  return asOne(ctx, { id: token.id, organization: organizationId }, async (ctx, tx) => {
    const known = await tx
      .deleteFrom('revokedToken')
      .where('id', '=', token.id)
      .where('organizationId', '=', organizationId)
      .where('frozen', '=', 1)
      .returning('id')
      .executeTakeFirst()
    if (!known) return
    const change = await beginChange(tx, organizationId, byWhom(ctx))
    await change.log({ fact: 'revoked_token', id: known.id, value: null })
    const detail = { reason: token.reason }
    await recordBy(ctx, tx, { organization: organizationId, type: 'token.thawed', target: known.id, detail })
  })
}
