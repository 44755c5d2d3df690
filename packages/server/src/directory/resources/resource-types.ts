import { AppError, CATALOGUE, newId, ROOT_TYPE } from '@valetkey/sdk/core'
import { beginChange, type Db, type Tx } from '../../store/index.ts'
import type { Context } from '../context.ts'
import { refuseDuplicate } from '../duplicate.ts'
import { type Row, resourceTypeFact } from '../fact-of.ts'
import { byWhom, type InputOf, lock, type OutputOf, recordBy } from '../operation.ts'
import { readPage } from '../page.ts'
import { getResourceType, quote } from '../reference.ts'
import { readTypeTree, type TypeTree } from './type-tree.ts'

type ResourceType = OutputOf<'resourceTypes', 'create'>

/** How deep a tree of resources can be: the organization is 0, and each type lies one below another. */
export const MOST_DEPTH = 32

function toResourceType({ id, slug, name, instances }: Row<'resourceType'>, tree: TypeTree): ResourceType {
  const parents = tree.parentsOf(id).map(tree.slugOf)
  return { id, slug, name, parents: parents.sort(), instances }
}

export async function listResourceTypes(
  ctx: Context,
  input: InputOf<'resourceTypes', 'list'>,
): Promise<OutputOf<'resourceTypes', 'list'>> {
  const { db } = ctx.store
  const tree = await readTypeTree(db)
  const read = (after: string, limit: number) =>
    db.selectFrom('resourceType').selectAll().where('id', '>', after).orderBy('id').limit(limit).execute()
  return readPage(ctx, 'resource-types', input, read, row => toResourceType(row, tree))
}

/** Creates a resource type below existing ones, so that types can form no circle; without parents, below the root. */
export async function createResourceType(
  ctx: Context,
  input: InputOf<'resourceTypes', 'create'>,
): Promise<ResourceType> {
  const { slug, name, instances } = input
  const row = { id: newId('resourceType', ctx.now()), slug, name, instances }
  return ctx.store.write(async tx => {
    const change = await beginChange(tx, CATALOGUE, byWhom(ctx))
    const parents = await parentsFrom(tx, input.parents.length > 0 ? input.parents : [ROOT_TYPE])
    await refuseDuplicate(
      tx.insertInto('resourceType').values(row).execute(),
      `There is a resource type ${quote(slug)} already.`,
    )
    await insertParents(tx, row.id, parents)
    const tree = await readTypeTree(tx)
    refuseDeep(tree, row.id)
    await change.log({ fact: 'resource_type', id: row.id, value: resourceTypeFact(row, parents) })
    const type = toResourceType(row, tree)
    const detail = { slug, name, instances, parents: type.parents }
    await recordBy(ctx, tx, { organization: null, type: 'resource_type.created', target: row.id, detail })
    return type
  })
}

/**
 * Renames a resource type, or says anew which types it lies below. What it is called by programs is for good, and a
 * parent below which there are resources of it cannot go.
 */
export async function updateResourceType(
  ctx: Context,
  input: InputOf<'resourceTypes', 'update'>,
): Promise<ResourceType> {
  return ctx.store.write(async tx => {
    await lock(tx, CATALOGUE)
    const row = await getResourceType(tx, input.id)
    const tree = await readTypeTree(tx)
    const before = toResourceType(row, tree)
    const held = tree.parentsOf(row.id)
    const parents = input.parents ? await parentsFrom(tx, input.parents) : held
    const name = input.name ?? before.name
    const gone = held.filter(id => !parents.includes(id))
    const isSame = gone.length === 0 && parents.length === held.length
    if (name === before.name && isSame) return before
    if (row.id === ROOT_TYPE && !isSame)
      throw new AppError('conflict.state', 'Organizations lie below nothing.', { path: 'parents' })
    for (const id of parents) refuseCircle(tree, row.id, id)
    await refuseUsed(tx, tree, row, gone)
    const change = await beginChange(tx, CATALOGUE, byWhom(ctx))
    await tx.updateTable('resourceType').set({ name }).where('id', '=', row.id).execute()
    await tx.deleteFrom('resourceTypeParent').where('typeId', '=', row.id).execute()
    await insertParents(tx, row.id, parents)
    const grown = await readTypeTree(tx)
    for (const id of grown.typesWithin(row.id)) refuseDeep(grown, id)
    await change.log({ fact: 'resource_type', id: row.id, value: resourceTypeFact(row, parents) })
    const after = toResourceType({ ...row, name }, grown)
    const detail = {
      before: { name: before.name, parents: before.parents },
      after: { name: after.name, parents: after.parents },
    }
    await recordBy(ctx, tx, { organization: null, type: 'resource_type.updated', target: row.id, detail })
    return after
  })
}

/** Ids of the types that are named as parents, each once. */
async function parentsFrom(db: Db, refs: readonly string[]): Promise<string[]> {
  const ids = new Set<string>()
  for (const ref of refs) {
    const { id, slug, instances } = await getResourceType(db, ref)
    if (instances === 'open')
      throw new AppError('policy.invalid', `Nothing lies below ${quote(slug)}: its ids are not registered.`, {
        path: 'parents',
      })
    ids.add(id)
  }
  return [...ids]
}

async function insertParents(tx: Tx, typeId: string, parents: readonly string[]): Promise<void> {
  const edges = parents.map(parentTypeId => ({ typeId, parentTypeId }))
  if (edges.length > 0) await tx.insertInto('resourceTypeParent').values(edges).execute()
}

function refuseCircle(tree: TypeTree, id: string, parent: string): void {
  if (!tree.typesWithin(id).has(parent)) return
  const sentence =
    id === parent
      ? `${quote(tree.slugOf(id))} cannot lie below itself.`
      : `${quote(tree.slugOf(parent))} lies below ${quote(tree.slugOf(id))}, so it cannot lie above it as well.`
  throw new AppError('policy.invalid', sentence, { path: 'parents' })
}

function refuseDeep(tree: TypeTree, id: string): void {
  if (tree.depthOf(id) <= MOST_DEPTH) return
  const sentence = `${quote(tree.slugOf(id))} would lie more than ${MOST_DEPTH} types below the organization.`
  throw new AppError('policy.invalid', sentence, { path: 'parents' })
}

/**
 * Waits for the writers of every organization, who read which types lie below which, and then looks for resources that
 * lie below a type that is to be no parent any more.
 */
async function refuseUsed(
  tx: Tx,
  tree: TypeTree,
  type: Row<'resourceType'>,
  gone: readonly string[],
): Promise<void> {
  if (gone.length === 0) return
  const organizations = tx.selectFrom('organization').select('id').where('id', '!=', CATALOGUE).orderBy('id')
  for (const { id } of await organizations.execute()) await lock(tx, id)
  const used = await tx
    .selectFrom('resource')
    .innerJoin('resource as above', join =>
      join
        .onRef('above.organizationId', '=', 'resource.organizationId')
        .onRef('above.seq', '=', 'resource.parentSeq'),
    )
    .select(['resource.externalId', 'above.typeId'])
    .where('resource.typeId', '=', type.id)
    .where('resource.deletedRevision', 'is', null)
    .where('above.typeId', 'in', gone)
    .executeTakeFirst()
  if (!used) return
  throw new AppError(
    'conflict.in_use',
    `There are resources of type ${quote(type.slug)} below a ${quote(tree.slugOf(used.typeId))}. Move them first.`,
    { path: 'parents' },
  )
}
