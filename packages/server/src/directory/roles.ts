import { AppError, CATALOGUE, newId } from '@valetkey/sdk/core'
import { beginChange, type Db, type Tx } from '../store/index.ts'
import type { Context } from './context.ts'
import { refuseDuplicate } from './duplicate.ts'
import { type Row, roleFact } from './fact-of.ts'
import { byWhom, type InputOf, lock, type OutputOf, recordBy } from './operation.ts'
import { readPage } from './page.ts'
import { getResourceType, getRole, quote } from './reference.ts'
import { typesWithin } from './resource-types.ts'

type Role = OutputOf<'roles', 'get'>

async function permissionsOf(db: Db, roleIds: readonly string[]): Promise<Map<string, string[]>> {
  const held = new Map<string, string[]>(roleIds.map(id => [id, []]))
  if (roleIds.length === 0) return held
  const rows = await db
    .selectFrom('rolePermission')
    .innerJoin('permission', 'permission.id', 'permissionId')
    .select(['roleId', 'slug'])
    .where('roleId', 'in', roleIds)
    .orderBy('slug')
    .execute()
  for (const { roleId, slug } of rows) held.get(roleId)?.push(slug)
  return held
}

async function toRole(db: Db, row: Row<'role'>): Promise<Role> {
  const [type, permissions] = [await getTypeSlug(db, row.typeId), await permissionsOf(db, [row.id])]
  return { id: row.id, slug: row.slug, name: row.name, type, permissions: permissions.get(row.id) ?? [] }
}

async function getTypeSlug(db: Db, typeId: string): Promise<string> {
  const query = db.selectFrom('resourceType').select('slug').where('id', '=', typeId)
  return (await query.executeTakeFirstOrThrow()).slug
}

export async function listRoles(
  ctx: Context,
  input: InputOf<'roles', 'list'>,
): Promise<OutputOf<'roles', 'list'>> {
  const { db } = ctx.store
  const read = (after: string, limit: number) =>
    db
      .selectFrom('role')
      .innerJoin('resourceType', 'resourceType.id', 'role.typeId')
      .selectAll('role')
      .select('resourceType.slug as type')
      .where('organizationId', '=', CATALOGUE)
      .where('role.id', '>', after)
      .orderBy('role.id')
      .limit(limit)
      .execute()
  const page = await readPage(ctx, 'roles', input, read, row => row)
  const permissions = await permissionsOf(
    db,
    page.items.map(row => row.id),
  )
  const items = page.items.map(({ id, slug, name, type }) => ({
    id,
    slug,
    name,
    type,
    permissions: permissions.get(id) ?? [],
  }))
  return { items, next: page.next }
}

export async function showRole(ctx: Context, input: { id: string }): Promise<Role> {
  return toRole(ctx.store.db, await getRole(ctx.store.db, input.id))
}

export async function createRole(ctx: Context, input: InputOf<'roles', 'create'>): Promise<Role> {
  const type = await getResourceType(ctx.store.db, input.type)
  const row: Row<'role'> = {
    id: newId('role', ctx.now()),
    organizationId: CATALOGUE,
    slug: input.slug,
    name: input.name,
    typeId: type.id,
  }
  return ctx.store.write(async tx => {
    const change = await beginChange(tx, CATALOGUE, byWhom(ctx))
    await refuseDuplicate(
      tx.insertInto('role').values(row).execute(),
      `There is a role ${quote(input.slug)} already.`,
    )
    await setPermissions(tx, row, input.permissions)
    const role = await toRole(tx, row)
    await change.log({ fact: 'role', id: row.id, value: roleFact(row, role.permissions) })
    const { id: _, ...detail } = role
    await recordBy(ctx, tx, { organization: null, type: 'role.created', target: row.id, detail })
    return role
  })
}

/** Changes what a role holds. Whoever has the role holds the new permissions from the next revision on, and only them. */
export async function updateRole(ctx: Context, input: InputOf<'roles', 'update'>): Promise<Role> {
  const { id } = await getRole(ctx.store.db, input.id)
  return ctx.store.write(async tx => {
    await lock(tx, CATALOGUE)
    const row = await getRole(tx, id)
    const before = await toRole(tx, row)
    const name = input.name ?? before.name
    const permissions = [...new Set(input.permissions ?? before.permissions)].sort()
    if (name === before.name && permissions.join() === [...before.permissions].sort().join()) return before
    const change = await beginChange(tx, CATALOGUE, byWhom(ctx))
    await tx.updateTable('role').set({ name }).where('id', '=', id).execute()
    await setPermissions(tx, row, permissions)
    const after = await toRole(tx, { ...row, name })
    await change.log({ fact: 'role', id, value: roleFact(row, after.permissions) })
    const detail = {
      before: { name: before.name, permissions: before.permissions },
      after: { name, permissions: after.permissions },
    }
    await recordBy(ctx, tx, { organization: null, type: 'role.updated', target: id, detail })
    return after
  })
}

/** A role may hold permissions of its own resource type and of the types below it. */
async function setPermissions(tx: Tx, role: Row<'role'>, slugs: readonly string[]): Promise<void> {
  const wanted = [...new Set(slugs)]
  const known = wanted.length
    ? await tx
        .selectFrom('permission')
        .selectAll()
        .where('slug', 'in', wanted)
        .where('retiredRevision', 'is', null)
        .execute()
    : []
  const within = await typesWithin(tx, role.typeId)
  for (const slug of wanted) {
    const permission = known.find(one => one.slug === slug)
    if (!permission)
      throw new AppError('not_found', `No permission ${quote(slug)}. Create it first.`, {
        path: 'permissions',
      })
    if (!within.has(permission.typeId))
      throw new AppError(
        'policy.invalid',
        `The permission ${quote(slug)} is of a resource type that does not lie below the role's.`,
        { path: 'permissions' },
      )
  }
  await tx.deleteFrom('rolePermission').where('roleId', '=', role.id).execute()
  const rows = known.map(permission => ({ roleId: role.id, permissionId: permission.id }))
  if (rows.length > 0) await tx.insertInto('rolePermission').values(rows).execute()
}
