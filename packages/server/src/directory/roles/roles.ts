import { AppError, CATALOGUE, newId } from '@valetkey/sdk/core'
import { beginChange, type Db, type Tx } from '../../store/index.ts'
import type { Context } from '../context.ts'
import { refuseDuplicate } from '../duplicate.ts'
import { type Row, roleFact } from '../fact-of.ts'
import { byWhom, type InputOf, lock, type OutputOf, recordBy } from '../operation.ts'
import { readPage } from '../page.ts'
import { getOrganization, getResourceType, getRole, quote } from '../reference.ts'
import { readTypeTree } from '../resources/type-tree.ts'

type Role = OutputOf<'roles', 'get'>

/** Whose roles are meant: those of the organization that is named, else those that are there for all. */
async function homeOf(db: Db, organization: string | undefined): Promise<string> {
  return organization === undefined ? CATALOGUE : (await getOrganization(db, organization)).id
}

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

function toRole(row: Row<'role'>, type: string, permissions: string[] = []): Role {
  const { id, slug, name } = row
  return { id, organization: organizationOf(row), slug, name, type, permissions }
}

/** Null for a role that is there for all. */
function organizationOf({ organizationId }: Pick<Row<'role'>, 'organizationId'>): string | null {
  return organizationId === CATALOGUE ? null : organizationId
}

async function readRole(db: Db, row: Row<'role'>): Promise<Role> {
  const type = db.selectFrom('resourceType').select('slug').where('id', '=', row.typeId)
  const { slug } = await type.executeTakeFirstOrThrow()
  const permissions = await permissionsOf(db, [row.id])
  return toRole(row, slug, permissions.get(row.id))
}

export async function listRoles(
  ctx: Context,
  input: InputOf<'roles', 'list'>,
): Promise<OutputOf<'roles', 'list'>> {
  const { db } = ctx.store
  const home = await homeOf(db, input.organization)
  const read = (after: string, limit: number) =>
    db
      .selectFrom('role')
      .innerJoin('resourceType', 'resourceType.id', 'role.typeId')
      .selectAll('role')
      .select('resourceType.slug as type')
      .where('organizationId', 'in', [CATALOGUE, home])
      .where('role.id', '>', after)
      .orderBy('role.id')
      .limit(limit)
      .execute()
  const page = await readPage(ctx, `roles:${home}`, input, read, row => row)
  const ids = page.items.map(row => row.id)
  const permissions = await permissionsOf(db, ids)
  return {
    items: page.items.map(({ type, ...row }) => toRole(row, type, permissions.get(row.id))),
    next: page.next,
  }
}

export async function showRole(ctx: Context, input: InputOf<'roles', 'get'>): Promise<Role> {
  const { db } = ctx.store
  return readRole(db, await getRole(db, input.id, await homeOf(db, input.organization)))
}

/** Creates a role for all organizations, or for one alone; there, it takes the place of one for all of the same name. */
export async function createRole(ctx: Context, input: InputOf<'roles', 'create'>): Promise<Role> {
  const { db } = ctx.store
  const type = await getResourceType(db, input.type)
  if (type.instances === 'open')
    throw new AppError(
      'policy.invalid',
      `A role on ${quote(type.slug)} could never be given: its ids are not registered. Make it one on a type above.`,
      { path: 'type' },
    )
  const row: Row<'role'> = {
    id: newId('role', ctx.now()),
    organizationId: await homeOf(db, input.organization),
    slug: input.slug,
    name: input.name,
    typeId: type.id,
  }
  return ctx.store.write(async tx => {
    const change = await beginChange(tx, row.organizationId, byWhom(ctx))
    await refuseDuplicate(
      tx.insertInto('role').values(row).execute(),
      `There is a role ${quote(input.slug)} already.`,
    )
    await setPermissions(tx, row, input.permissions)
    const role = await readRole(tx, row)
    await change.log({ fact: 'role', id: row.id, value: roleFact(row, role.permissions) })
    const { id: target, organization, ...detail } = role
    await recordBy(ctx, tx, { organization, type: 'role.created', target, detail })
    return role
  })
}

/** Changes what a role holds. Whoever has the role holds the new permissions from the next revision on, and only them. */
export async function updateRole(ctx: Context, input: InputOf<'roles', 'update'>): Promise<Role> {
  const { db } = ctx.store
  const { id, organizationId } = await getRole(db, input.id, await homeOf(db, input.organization))
  return ctx.store.write(async tx => {
    await lock(tx, organizationId)
    const row = await getRole(tx, id, organizationId)
    const before = await readRole(tx, row)
    const name = input.name ?? before.name
    const permissions = [...new Set(input.permissions ?? before.permissions)].sort()
    if (name === before.name && permissions.join() === [...before.permissions].sort().join()) return before
    const change = await beginChange(tx, organizationId, byWhom(ctx))
    await tx.updateTable('role').set({ name }).where('id', '=', id).execute()
    await setPermissions(tx, row, permissions)
    const after = await readRole(tx, { ...row, name })
    await change.log({ fact: 'role', id, value: roleFact(row, after.permissions) })
    const detail = {
      before: { name: before.name, permissions: before.permissions },
      after: { name, permissions: after.permissions },
    }
    const organization = organizationOf(row)
    await recordBy(ctx, tx, { organization, type: 'role.updated', target: id, detail })
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
  const within = (await readTypeTree(tx)).typesWithin(role.typeId)
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
