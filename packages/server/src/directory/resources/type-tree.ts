import { type Db, prepareQuery } from '../../store/index.ts'

/** Which resource types lie below which; all by id. */
export interface TypeTree {
  slugOf(id: string): string
  parentsOf(id: string): string[]
  /** A type and all types that may lie below it. */
  typesWithin(id: string): Set<string>
  /** How many types lie above it, on the longest way. */
  depthOf(id: string): number
}

const readTypes = prepareQuery(db => db.selectFrom('resourceType').select(['id', 'slug']))
const readEdges = prepareQuery(db =>
  db.selectFrom('resourceTypeParent').select(['typeId', 'parentTypeId']).orderBy('parentTypeId'),
)

export async function readTypeTree(db: Db): Promise<TypeTree> {
  const types = await readTypes(db, {})
  const edges = await readEdges(db, {})
  const slugs = new Map(types.map(({ id, slug }) => [id, slug]))
  const parentsOf = (id: string) => edges.filter(edge => edge.typeId === id).map(edge => edge.parentTypeId)
  const depths = new Map<string, number>()
  const depthOf = (id: string): number => {
    const known = depths.get(id)
    if (known !== undefined) return known
    const depth = Math.max(-1, ...parentsOf(id).map(depthOf)) + 1
    depths.set(id, depth)
    return depth
  }
  return {
    slugOf: id => slugs.get(id) ?? id,
    parentsOf,
    typesWithin(id) {
      const within = new Set([id])
      for (const type of within)
        for (const edge of edges) if (edge.parentTypeId === type) within.add(edge.typeId)
      return within
    },
    depthOf,
  }
}
