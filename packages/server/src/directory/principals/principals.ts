import type { Db, Tx } from '../../store/index.ts'
import type { Context } from '../context.ts'
import { refuseDuplicate } from '../duplicate.ts'
import type { Row } from '../fact-of.ts'
import { timeOf } from '../operation.ts'
import { foldName } from '../reference.ts'

/** All that may hold roles in an organization, as `agent:support-bot`. */
export async function listPrincipalNames(ctx: Context, organizationId: string): Promise<string[]> {
  const rows = await ctx.store.db
    .selectFrom('principal')
    .select(['kind', 'externalId'])
    .where('organizationId', '=', organizationId)
    .execute()
  return rows.map(({ kind, externalId }) => `${kind}:${externalId}`)
}

/**
 * Adds a principal under the organization's next number. Numbers are never used again, so that someone who comes back
 * under an old name inherits nothing. The caller holds the organization's lock.
 */
export async function insertPrincipal(
  tx: Tx,
  ctx: Context,
  principal: Pick<Row<'principal'>, 'id' | 'organizationId' | 'kind' | 'externalId' | 'name'> &
    Partial<Pick<Row<'principal'>, 'managedBy'>>,
  duplicate: string,
): Promise<Row<'principal'>> {
  const { next } = await tx
    .updateTable('organization')
    .set(eb => ({ nextPrincipalSeq: eb('nextPrincipalSeq', '+', 1) }))
    .where('id', '=', principal.organizationId)
    .returning('nextPrincipalSeq as next')
    .executeTakeFirstOrThrow()
  const insert = tx
    .insertInto('principal')
    .values({
      ...principal,
      externalId: foldName(principal.externalId),
      seq: next - 1,
      status: 'active',
      createdAt: timeOf(ctx),
    })
    .returningAll()
    .executeTakeFirstOrThrow()
  return refuseDuplicate(insert, duplicate)
}

/** Reads the principals of one kind, a page at a time in the order of their ids. */
export function pagesOf(
  db: Db,
  organizationId: string,
  kind: Row<'principal'>['kind'],
): (after: string, limit: number) => Promise<Row<'principal'>[]> {
  return (after, limit) =>
    db
      .selectFrom('principal')
      .selectAll()
      .where('organizationId', '=', organizationId)
      .where('kind', '=', kind)
      .where('id', '>', after)
      .orderBy('id')
      .limit(limit)
      .execute()
}
