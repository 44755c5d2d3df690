import { AppError, ROOT_RESOURCE, ROOT_TYPE } from '@valetkey/sdk/core'
import { escapeSegment, parseRef } from '@valetkey/sdk/engine'
import { type RawBuilder, sql } from 'kysely'
import { type Db, prepareQuery, type Tx } from '../../store/index.ts'
import type { Row } from '../fact-of.ts'
import { getResourceType, quote } from '../reference.ts'

/** A live resource of an organization. */
export type ResourceRow = Row<'resource'>
/** One whose type a caller has named, with the slug of the type. */
export type TypedResource = ResourceRow & { type: string }

/** How many numbers one statement takes at most. */
const MOST_AT_ONCE = 500

/** Where a resource lies. */
export interface Placement {
  type: string
  /** Type and id of what it lies below; null for the organization's own resource. */
  parent: string | null
  /** From below the organization down to it, as `customer/acme/invoice/INV-1`. */
  path: string
}

const resources = (db: Db) =>
  db
    .selectFrom('resource')
    .select(['organizationId', 'seq', 'typeId', 'externalId', 'parentSeq', 'name'])
    .select(['createdRevision', 'deletedRevision'])
const liveResource = prepareQuery((db, of: { organizationId: string; typeId: string; externalId: string }) =>
  resources(db)
    .where('organizationId', '=', of.organizationId)
    .where('typeId', '=', of.typeId)
    .where('externalId', '=', of.externalId)
    .where('deletedRevision', 'is', null),
)
const rootResource = prepareQuery((db, { organizationId }: { organizationId: string }) =>
  resources(db).where('organizationId', '=', organizationId).where('seq', '=', ROOT_RESOURCE),
)

/** The live resource of a type (by id) and an external id. */
export async function findResource(
  db: Db,
  organizationId: string,
  typeId: string,
  externalId: string,
): Promise<ResourceRow | undefined> {
  const [found] = await liveResource(db, { organizationId, typeId, externalId })
  return found
}

/** Finds what a caller names as `invoice/INV-1`. One of another organization is as unknown as one that is nowhere. */
export async function getResource(
  db: Db,
  organization: Pick<Row<'organization'>, 'id' | 'slug'>,
  ref: string,
): Promise<TypedResource> {
  const named = readRef(ref)
  const type = await getResourceType(db, named.type)
  const found = await findResource(db, organization.id, type.id, named.id)
  if (found) return { ...found, type: type.slug }
  const why = type.instances === 'open' ? ` Ids of ${quote(type.slug)} are not registered.` : ''
  throw new AppError('not_found', `No resource ${quote(ref)} in ${organization.slug}.${why}`)
}

/** Type and id of what is written as `invoice/INV-1`. */
export function readRef(ref: string): { type: string; id: string } {
  const named = parseRef(ref)
  if (!named) throw new AppError('request.invalid', 'Write a resource as type and id, as "invoice/INV-1".')
  return named
}

/** The organization's own resource. */
export async function getRoot(db: Db, organizationId: string): Promise<TypedResource> {
  const [root] = await rootResource(db, { organizationId })
  if (!root) throw new Error(`unreachable: the organization ${organizationId} has no resource of its own`)
  return { ...root, type: ROOT_TYPE }
}

/** Type and id as one text. */
export function refTo(type: string, externalId: string): string {
  return `${type}/${escapeSegment(externalId)}`
}

/** Where resources lie, by number; also those that were removed, as they lay then. */
export async function readPlacements(
  db: Db,
  organizationId: string,
  seqs: readonly number[],
): Promise<Map<number, Placement>> {
  const placements = new Map<number, Placement>()
  for (let from = 0; from < seqs.length; from += MOST_AT_ONCE) {
    const ways = new Map<number, Step[]>()
    for (const step of await readWaysUp(db, organizationId, seqs.slice(from, from + MOST_AT_ONCE)))
      ways.set(step.start, [...(ways.get(step.start) ?? []), step])
    for (const [seq, way] of ways) placements.set(seq, toPlacement(way))
  }
  return placements
}

/** Whether a resource is one of others, or lies below one. */
export async function isWithinSome(
  db: Db,
  organizationId: string,
  seq: number,
  roots: readonly number[],
): Promise<boolean> {
  const way = await readWaysUp(db, organizationId, [seq])
  return way.some(step => roots.includes(step.seq))
}

interface Step {
  start: number
  seq: number
  type: string
  externalId: string
}

/** Each with all above it, from the bottom up. */
async function readWaysUp(db: Db, organizationId: string, seqs: readonly number[]): Promise<Step[]> {
  const { rows } = await sql<Step>`
    with recursive up (start, seq, parent_seq, type_id, external_id, height) as (
      select seq, seq, parent_seq, type_id, external_id, 0 from resource
      where organization_id = ${organizationId} and seq in (${sql.join(seqs)})
      union all
      select up.start, above.seq, above.parent_seq, above.type_id, above.external_id, up.height + 1
      from up join resource above on above.organization_id = ${organizationId} and above.seq = up.parent_seq)
    select up.start, up.seq, resource_type.slug as type, up.external_id
    from up join resource_type on resource_type.id = up.type_id order by up.start, up.height`.execute(db)
  return rows
}

function toPlacement(way: readonly Step[]): Placement {
  const refs = way.map(({ type, externalId }) => refTo(type, externalId))
  const below = way.length > 1 ? refs.filter((_, index) => way[index]?.seq !== ROOT_RESOURCE) : refs
  return { type: way[0]?.type ?? '', parent: refs[1] ?? null, path: below.reverse().join('/') }
}

/** A query for the numbers of a live resource and of everything below it. */
export function subtree(organizationId: string, seq: number): RawBuilder<number> {
  return sql<number>`
    with recursive below (seq) as (
      select cast(${seq} as integer)
      union all
      select child.seq from below join resource child
      on child.organization_id = ${organizationId} and child.parent_seq = below.seq and child.deleted_revision is null)
    select seq from below`
}

export async function updateResource(
  tx: Tx,
  { organizationId, seq }: Pick<ResourceRow, 'organizationId' | 'seq'>,
  values: Partial<Pick<ResourceRow, 'name' | 'parentSeq'>>,
): Promise<void> {
  await tx
    .updateTable('resource')
    .set(values)
    .where('organizationId', '=', organizationId)
    .where('seq', '=', seq)
    .execute()
}

/** Type and id of those that are still there, by number. */
export async function readRefs(
  db: Db,
  organizationId: string,
  seqs: readonly number[],
): Promise<Map<number, string>> {
  const refs = new Map<number, string>()
  for (let from = 0; from < seqs.length; from += MOST_AT_ONCE) {
    const rows = await db
      .selectFrom('resource')
      .innerJoin('resourceType', 'resourceType.id', 'resource.typeId')
      .select(['seq', 'slug', 'externalId'])
      .where('organizationId', '=', organizationId)
      .where('seq', 'in', seqs.slice(from, from + MOST_AT_ONCE))
      .where('deletedRevision', 'is', null)
      .execute()
    for (const { seq, slug, externalId } of rows) refs.set(seq, refTo(slug, externalId))
  }
  return refs
}
