import type { OrganizationOp, ResourceRow } from '@valetkey/sdk/core'
import type { Db } from '../../store/index.ts'

/** How many resources one fact holds at most in a fresh load. */
const BLOCK = 10_000

/** Id and value of the fact of some resources of one type; parents come before their children. */
export function resourceFact(type: string, rows: readonly ResourceRow[]) {
  const [first] = rows
  if (!first) throw new Error('a resource fact without resources')
  return { id: String(first[0]), value: { type, rows } }
}

/** All resources of an organization: types after the types that they lie below, and so parents before children. */
export async function loadResources(db: Db, organizationId: string): Promise<OrganizationOp[]> {
  const byType = await readByType(db, organizationId)
  const ops: OrganizationOp[] = []
  for (const type of await typesDownwards(db)) {
    const rows = byType.get(type) ?? []
    for (let from = 0; from < rows.length; from += BLOCK)
      ops.push({ fact: 'resource', ...resourceFact(type, rows.slice(from, from + BLOCK)) })
  }
  return ops
}

/** In pieces, since there can be a million of them. */
async function readByType(db: Db, organizationId: string): Promise<Map<string, ResourceRow[]>> {
  const byType = new Map<string, ResourceRow[]>()
  for (let after = 0; ; ) {
    const read = await db
      .selectFrom('resource')
      .select(['seq', 'typeId', 'externalId', 'parentSeq'])
      .where('organizationId', '=', organizationId)
      .where('seq', '>', after)
      .where('deletedRevision', 'is', null)
      .orderBy('seq')
      .limit(BLOCK)
      .execute()
    for (const { seq, typeId, externalId, parentSeq } of read) {
      const row: ResourceRow = [seq, externalId, parentSeq]
      const rows = byType.get(typeId)
      if (rows) rows.push(row)
      else byType.set(typeId, [row])
      after = seq
    }
    if (read.length < BLOCK) return byType
  }
}

/** Every resource type, each after all that it may lie below. */
async function typesDownwards(db: Db): Promise<Set<string>> {
  const types = await db.selectFrom('resourceType').select('id').orderBy('id').execute()
  const edges = await db.selectFrom('resourceTypeParent').selectAll().execute()
  const sorted = new Set<string>()
  const visit = (id: string): void => {
    if (sorted.has(id)) return
    for (const { typeId, parentTypeId } of edges) if (typeId === id) visit(parentTypeId)
    sorted.add(id)
  }
  for (const { id } of types) visit(id)
  return sorted
}
