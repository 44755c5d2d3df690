import { CATALOGUE, newId } from '@valetkey/sdk/core'
import { beginChange, type Db } from '../store/index.ts'
import type { Context } from './context.ts'
import { refuseDuplicate } from './duplicate.ts'
import { resourceTypeFact } from './fact-of.ts'
import { byWhom, type InputOf, type OutputOf, recordBy } from './operation.ts'
import { ROOT_TYPE } from './organizations.ts'
import { readPage } from './page.ts'
import { getResourceType, quote } from './reference.ts'

type ResourceType = OutputOf<'resourceTypes', 'create'>

export async function listResourceTypes(
  ctx: Context,
  input: InputOf<'resourceTypes', 'list'>,
): Promise<OutputOf<'resourceTypes', 'list'>> {
  const { db } = ctx.store
  const edges = await db
    .selectFrom('resourceTypeParent')
    .innerJoin('resourceType', 'resourceType.id', 'parentTypeId')
    .select(['typeId', 'resourceType.slug'])
    .orderBy('resourceType.slug')
    .execute()
  const read = (after: string, limit: number) =>
    db.selectFrom('resourceType').selectAll().where('id', '>', after).orderBy('id').limit(limit).execute()
  return readPage(ctx, 'resource-types', input, read, row => ({
    ...row,
    parents: edges.filter(edge => edge.typeId === row.id).map(edge => edge.slug),
  }))
}

/** Creates a resource type below existing ones, so that types can form no circle; without parents, below the root. */
export async function createResourceType(
  ctx: Context,
  input: InputOf<'resourceTypes', 'create'>,
): Promise<ResourceType> {
  const row = { id: newId('resourceType', ctx.now()), slug: input.slug, name: input.name }
  return ctx.store.write(async tx => {
    const change = await beginChange(tx, CATALOGUE, byWhom(ctx))
    const parents = new Map<string, string>()
    for (const ref of input.parents.length > 0 ? input.parents : [ROOT_TYPE]) {
      const { id, slug } = await getResourceType(tx, ref)
      parents.set(id, slug)
    }
    await refuseDuplicate(
      tx.insertInto('resourceType').values(row).execute(),
      `There is a resource type ${quote(input.slug)} already.`,
    )
    const edges = [...parents.keys()].map(parentTypeId => ({ typeId: row.id, parentTypeId }))
    await tx.insertInto('resourceTypeParent').values(edges).execute()
    const slugs = [...parents.values()].sort()
    await change.log({
      fact: 'resource_type',
      id: row.id,
      value: resourceTypeFact(row, [...parents.keys()]),
    })
    const detail = { slug: row.slug, name: row.name, parents: slugs }
    await recordBy(ctx, tx, { organization: null, type: 'resource_type.created', target: row.id, detail })
    return { ...row, parents: slugs }
  })
}

/** A resource type and all types that may lie below it, by id. */
export async function typesWithin(db: Db, typeId: string): Promise<Set<string>> {
  const edges = await db.selectFrom('resourceTypeParent').selectAll().execute()
  const within = new Set([typeId])
  for (const id of within) for (const edge of edges) if (edge.parentTypeId === id) within.add(edge.typeId)
  return within
}
