import { AppError, CATALOGUE, isId, newId } from '@valetkey/sdk/core'
import { checkPermissionCondition } from '@valetkey/sdk/engine'
import { beginChange, type Db } from '../../store/index.ts'
import type { Context } from '../context.ts'
import { refuseDuplicate } from '../duplicate.ts'
import { permissionFact, type Row } from '../fact-of.ts'
import { byWhom, type InputOf, lock, type OutputOf, recordBy } from '../operation.ts'
import { readPage } from '../page.ts'
import { getResourceType, quote } from '../reference.ts'

type Permission = OutputOf<'permissions', 'create'>

function permissions(db: Db) {
  return db
    .selectFrom('permission')
    .innerJoin('resourceType', 'resourceType.id', 'permission.typeId')
    .selectAll('permission')
    .select('resourceType.slug as type')
    .where('retiredRevision', 'is', null)
}

function toPermission(row: Row<'permission'> & { type: string }): Permission {
  const { id, slug, type, label, risk, condition } = row
  return { id, slug, type, label, risk, condition }
}

/** Finds a permission by id or slug. */
export async function getPermission(db: Db, ref: string): Promise<Row<'permission'>> {
  const column = isId(ref, 'permission') ? 'permission.id' : 'permission.slug'
  const found = await permissions(db).where(column, '=', ref).executeTakeFirst()
  if (!found)
    throw new AppError('not_found', `No permission ${quote(ref)}. Create it first.`, { path: 'permission' })
  return found
}

export async function listPermissions(
  ctx: Context,
  input: InputOf<'permissions', 'list'>,
): Promise<OutputOf<'permissions', 'list'>> {
  const read = (after: string, limit: number) =>
    permissions(ctx.store.db)
      .where('permission.id', '>', after)
      .orderBy('permission.id')
      .limit(limit)
      .execute()
  return readPage(ctx, 'permissions', input, read, toPermission)
}

/** Creates a permission on the next bit of its resource type; a bit is never used again. */
export async function createPermission(
  ctx: Context,
  input: InputOf<'permissions', 'create'>,
): Promise<Permission> {
  refuseUnreadable(input.condition)
  const type = await getResourceType(ctx.store.db, input.type)
  return ctx.store.write(async tx => {
    const change = await beginChange(tx, CATALOGUE, byWhom(ctx))
    const { last } = await tx
      .selectFrom('permission')
      .select(eb => eb.fn.max('bit').as('last'))
      .where('typeId', '=', type.id)
      .executeTakeFirstOrThrow()
    const row: Row<'permission'> = {
      id: newId('permission', ctx.now()),
      slug: input.slug,
      typeId: type.id,
      bit: (last ?? -1) + 1,
      label: input.label,
      risk: input.risk,
      condition: input.condition,
      retiredRevision: null,
    }
    await refuseDuplicate(
      tx.insertInto('permission').values(row).execute(),
      `There is a permission ${quote(input.slug)} already.`,
    )
    await change.log({ fact: 'permission', id: row.id, value: permissionFact(row) })
    const { slug, risk, label, condition } = row
    const detail = { slug, type: type.slug, risk, label, condition }
    await recordBy(ctx, tx, { organization: null, type: 'permission.created', target: row.id, detail })
    return toPermission({ ...row, type: type.slug })
  })
}

/**
 * Says anew how a permission is called, how much harm it can do and under which condition it holds. Its name and its
 * resource type are for good.
 */
export async function updatePermission(
  ctx: Context,
  input: InputOf<'permissions', 'update'>,
): Promise<Permission> {
  refuseUnreadable(input.condition ?? null)
  return ctx.store.write(async tx => {
    await lock(tx, CATALOGUE)
    const { id } = await getPermission(tx, input.id)
    const before = await permissions(tx).where('permission.id', '=', id).executeTakeFirstOrThrow()
    const was = settings(before)
    const { label = was.label, risk = was.risk, condition = was.condition } = input
    const is = { label, risk, condition }
    if (label === was.label && risk === was.risk && condition === was.condition) return toPermission(before)
    const after = { ...before, ...is }
    const change = await beginChange(tx, CATALOGUE, byWhom(ctx))
    await tx.updateTable('permission').set(is).where('id', '=', id).execute()
    await change.log({ fact: 'permission', id, value: permissionFact(after) })
    const detail = { before: was, after: is }
    await recordBy(ctx, tx, { organization: null, type: 'permission.updated', target: id, detail })
    return toPermission(after)
  })
}

/** What of a permission can be changed. */
function settings({ label, risk, condition }: Row<'permission'>) {
  return { label, risk, condition }
}

function refuseUnreadable(condition: string | null): void {
  const fault = checkPermissionCondition(condition)
  if (fault !== null) throw new AppError('policy.invalid', fault, { path: 'condition' })
}
