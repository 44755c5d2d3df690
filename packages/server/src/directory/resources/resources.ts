import { AppError, ROOT_RESOURCE } from '@valetkey/sdk/core'
import { beginChange, type Db, type Tx } from '../../store/index.ts'
import type { Context } from '../context.ts'
import { byWhom, type InputOf, lock, type OutputOf, recordBy } from '../operation.ts'
import { readPage } from '../page.ts'
import { getOrganization, getResourceType, quote } from '../reference.ts'
import { resourceFact } from './resource-facts.ts'
import { removeSubtree } from './resource-removal.ts'
import { refuseExternalId, refuseMisplaced, refuseUnregistrable } from './resource-rules.ts'
import {
  findResource,
  getResource,
  getRoot,
  type Placement,
  type ResourceRow,
  readPlacements,
  updateResource,
} from './resource-tree.ts'
import { readTypeTree } from './type-tree.ts'

type Resource = OutputOf<'resources', 'get'>

function toResource(row: ResourceRow, placement: Placement | undefined): Resource {
  if (!placement) throw new Error(`resource ${row.seq} of ${row.organizationId} lies nowhere`)
  return { id: row.externalId, name: row.name, organization: row.organizationId, ...placement }
}

async function read(db: Db, row: ResourceRow): Promise<Resource> {
  const placements = await readPlacements(db, row.organizationId, [row.seq])
  return toResource(row, placements.get(row.seq))
}

/** Lists resources: those of a type in the order of their ids, others (below one, or all) from the oldest on. */
export async function listResources(
  ctx: Context,
  input: InputOf<'resources', 'list'>,
): Promise<OutputOf<'resources', 'list'>> {
  const { db } = ctx.store
  const { id, slug } = await getOrganization(db, input.organization)
  const type = input.type === undefined ? undefined : await getResourceType(db, input.type)
  const parent = input.parent === undefined ? undefined : await getResource(db, { id, slug }, input.parent)
  const find = async (after: string, limit: number) => {
    let query = db
      .selectFrom('resource')
      .selectAll()
      .where('organizationId', '=', id)
      .where('deletedRevision', 'is', null)
      .limit(limit)
    if (type) query = query.where('typeId', '=', type.id)
    if (parent) query = query.where('parentSeq', '=', parent.seq)
    // Each order is that of an index, so that a page costs what it shows, however many resources there are.
    const rows =
      type && !parent
        ? await query.where('externalId', '>', after).orderBy('externalId').execute()
        : await query.where('seq', '>', Number(after)).orderBy('seq').execute()
    return rows.map(row => ({ id: type && !parent ? row.externalId : String(row.seq), row }))
  }
  const list = `resources:${id}:${type?.id}:${parent?.seq}`
  const page = await readPage(ctx, list, input, find, ({ row }) => row)
  const seqs = page.items.map(row => row.seq)
  const placements = await readPlacements(db, id, seqs)
  return { items: page.items.map(row => toResource(row, placements.get(row.seq))), next: page.next }
}

export async function showResource(ctx: Context, input: InputOf<'resources', 'get'>): Promise<Resource> {
  const { db } = ctx.store
  const organization = await getOrganization(db, input.organization)
  return read(db, await getResource(db, organization, input.resource))
}

/**
 * Registers a resource under the organization's next number, or renames the one that there is. Numbers are never used
 * again, so that an id that comes back inherits nothing.
 */
export async function putResource(ctx: Context, input: InputOf<'resources', 'put'>): Promise<Resource> {
  const { db } = ctx.store
  const organization = await getOrganization(db, input.organization)
  const type = await getResourceType(db, input.type)
  refuseUnregistrable(type)
  refuseExternalId(input.id)
  return ctx.store.write(async tx => {
    await lock(tx, organization.id)
    const named = input.parent === undefined ? undefined : await getResource(tx, organization, input.parent)
    const before = await findResource(tx, organization.id, type.id, input.id)
    if (before) return rename(ctx, tx, before, input.name ?? before.name, named)
    const parent = named ?? (await getRoot(tx, organization.id))
    refuseMisplaced(await readTypeTree(tx), type, parent)
    const change = await beginChange(tx, organization.id, byWhom(ctx))
    const row: ResourceRow = {
      ...{ organizationId: organization.id, seq: await takeNumber(tx, organization.id), typeId: type.id },
      ...{ externalId: input.id, parentSeq: parent.seq, name: input.name ?? '' },
      ...{ createdRevision: change.revision, deletedRevision: null },
    }
    await tx.insertInto('resource').values(row).execute()
    await change.log({
      fact: 'resource',
      ...resourceFact(type.id, [[row.seq, row.externalId, row.parentSeq]]),
    })
    const resource = await read(tx, row)
    await recordOn(ctx, tx, 'resource.created', resource, { name: row.name })
    return resource
  })
}

async function rename(
  ctx: Context,
  tx: Tx,
  row: ResourceRow,
  name: string,
  parent: ResourceRow | undefined,
): Promise<Resource> {
  const before = await read(tx, row)
  if (parent && parent.seq !== row.parentSeq)
    throw new AppError(
      'conflict.state',
      `${quote(before.path)} lies below ${before.parent}. Move it, if it is to lie elsewhere.`,
      { path: 'parent' },
    )
  if (name === row.name) return before
  const change = await beginChange(tx, row.organizationId, byWhom(ctx))
  await updateResource(tx, row, { name })
  await change.log({ fact: 'resource', ...factOf(row) })
  const detail = { before: { name: row.name }, after: { name } }
  await recordOn(ctx, tx, 'resource.renamed', before, detail)
  return { ...before, name }
}

/** Puts a resource with everything below it elsewhere. What is inherited from above is inherited from there at once. */
export async function moveResource(ctx: Context, input: InputOf<'resources', 'move'>): Promise<Resource> {
  const organization = await getOrganization(ctx.store.db, input.organization)
  return ctx.store.write(async tx => {
    await lock(tx, organization.id)
    const row = await getResource(tx, organization, input.resource)
    const parent = await getResource(tx, organization, input.parent)
    const before = await read(tx, row)
    if (row.parentSeq === parent.seq) return before
    await refuseMove(tx, row, parent, before)
    const change = await beginChange(tx, organization.id, byWhom(ctx))
    const moved = { ...row, parentSeq: parent.seq }
    await updateResource(tx, row, { parentSeq: parent.seq })
    await change.log({ fact: 'resource', ...factOf(moved) })
    const after = await read(tx, moved)
    await recordOn(ctx, tx, 'resource.moved', after, { before: before.path, after: after.path })
    return after
  })
}

/** Refuses a place that a resource cannot have, for example below itself. */
async function refuseMove(
  db: Db,
  row: ResourceRow,
  parent: ResourceRow,
  { path }: Pick<Resource, 'path'>,
): Promise<void> {
  if (row.seq === ROOT_RESOURCE)
    throw new AppError('resource.misplaced', 'The organization itself lies below nothing.')
  for (let above: ResourceRow | undefined = parent; above; above = await parentOf(db, above))
    if (above.seq === row.seq)
      throw new AppError('resource.misplaced', `${quote(path)} cannot lie below itself.`, { path: 'parent' })
  const tree = await readTypeTree(db)
  refuseMisplaced(tree, { id: row.typeId, slug: tree.slugOf(row.typeId) }, parent)
}

function parentOf(db: Db, { organizationId, parentSeq }: ResourceRow): Promise<ResourceRow | undefined> {
  return db
    .selectFrom('resource')
    .selectAll()
    .where('organizationId', '=', organizationId)
    .where('seq', '=', parentSeq)
    .executeTakeFirst()
}

/** Removes a resource; where something depends on it, only when that is meant to go as well. */
export async function removeResource(
  ctx: Context,
  input: InputOf<'resources', 'remove'>,
): Promise<OutputOf<'resources', 'remove'>> {
  const organization = await getOrganization(ctx.store.db, input.organization)
  return ctx.store.write(async tx => {
    await lock(tx, organization.id)
    const row = await getResource(tx, organization, input.resource)
    const resource = await read(tx, row)
    if (row.seq === ROOT_RESOURCE)
      throw new AppError('conflict.state', 'The organization itself stays; freeze it instead.')
    if (!input.cascade) await refuseDependents(tx, row, resource.path)
    const change = await beginChange(tx, organization.id, byWhom(ctx))
    const removed = await removeSubtree(tx, row, change.revision)
    await change.log({ fact: 'resource', id: String(row.seq), value: null })
    await recordOn(ctx, tx, 'resource.removed', resource, { name: row.name, ...removed })
    return { ...resource, removed: removed.resources }
  })
}

async function refuseDependents(db: Db, row: ResourceRow, path: string): Promise<void> {
  const { organizationId, seq } = row
  const below = await db
    .selectFrom('resource')
    .select('seq')
    .where('organizationId', '=', organizationId)
    .where('parentSeq', '=', seq)
    .where('deletedRevision', 'is', null)
    .executeTakeFirst()
  const given = await db
    .selectFrom('assignment')
    .select('id')
    .where('organizationId', '=', organizationId)
    .where('resourceSeq', '=', seq)
    .executeTakeFirst()
  const what = below ? 'Other resources lie below' : given ? 'Roles are given on' : undefined
  if (what === undefined) return
  throw new AppError('resource.has_dependents', `${what} ${quote(path)}. Say "cascade" to remove all of it.`)
}

/** The number of a new resource. */
async function takeNumber(tx: Tx, organizationId: string): Promise<number> {
  const { next } = await tx
    .updateTable('organization')
    .set(eb => ({ nextResourceSeq: eb('nextResourceSeq', '+', 1) }))
    .where('id', '=', organizationId)
    .returning('nextResourceSeq as next')
    .executeTakeFirstOrThrow()
  return next - 1
}

function factOf({ seq, typeId, externalId, parentSeq }: ResourceRow) {
  return resourceFact(typeId, [[seq, externalId, parentSeq]])
}

/** Records what was done to a resource under its path, by which calls on it are found too. */
function recordOn(
  ctx: Context,
  tx: Tx,
  type: string,
  { organization, path }: Resource,
  detail: Parameters<typeof recordBy>[2]['detail'],
): Promise<void> {
  return recordBy(ctx, tx, { organization, type, target: path, detail: detail ?? {} })
}
