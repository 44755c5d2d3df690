import type { ResourceRow as FactRow } from '@valetkey/sdk/core'
import { beginChange, prepareInsert, prepareListQuery, prepareQuery, type Tx } from '../../store/index.ts'
import type { Context } from '../context.ts'
import type { Row } from '../fact-of.ts'
import { byWhom, lock, recordBy } from '../operation.ts'
import { resourceFact } from './resource-facts.ts'
import { type ResourceRow, updateResource } from './resource-tree.ts'
import { readTypeTree, type TypeTree } from './type-tree.ts'

interface Named {
  /** By slug. */
  type: string
  id: string
}

type Known = Omit<ResourceRow, 'createdRevision' | 'deletedRevision'>

/** One transaction of an import: what it looks up and writes, it does in portions, and logs it as one change. */
export interface ImportStep {
  readonly types: TypeTree
  type(slug: string): Row<'resourceType'> | undefined
  /** Looks up what the next portion names; `find` then knows it. */
  read(named: readonly Named[]): Promise<void>
  find(named: Named): Known | undefined
  create(row: Pick<Known, 'typeId' | 'externalId' | 'name' | 'parentSeq'>): void
  change(row: Known, to: Pick<Known, 'name' | 'parentSeq'>): void
  /** Writes what the portion has created and changed. */
  write(): Promise<void>
  /** Logs and records the whole, and counts it. */
  finish(rejected: number): Promise<{ created: number; changed: number; unchanged: number }>
}

const findNamed = prepareListQuery(
  (db, { organizationId, typeId }: { organizationId: string; typeId: string }, ids: string[]) =>
    db
      .selectFrom('resource')
      .select(['organizationId', 'seq', 'typeId', 'externalId', 'parentSeq', 'name'])
      .where('organizationId', '=', organizationId)
      .where('typeId', '=', typeId)
      .where('externalId', 'in', ids)
      .where('deletedRevision', 'is', null),
)

const readTypes = prepareQuery(db =>
  db.selectFrom('resourceType').select(['id', 'slug', 'name', 'instances']),
)

const readNext = prepareQuery((db, { id }: { id: string }) =>
  db.selectFrom('organization').select('nextResourceSeq as next').where('id', '=', id),
)

const setNext = prepareQuery((db, { id, next }: { id: string; next: number }) =>
  db.updateTable('organization').set({ nextResourceSeq: next }).where('id', '=', id),
)

const insertResources = prepareInsert('resource', [
  'organizationId',
  'seq',
  'typeId',
  'externalId',
  'parentSeq',
  'name',
  'createdRevision',
  'deletedRevision',
])

export async function beginStep(ctx: Context, tx: Tx, organizationId: string): Promise<ImportStep> {
  await lock(tx, organizationId)
  const types = await readTypeTree(tx)
  const typeOf = new Map((await readTypes(tx, {})).map(row => [row.slug, row]))
  const [numbers] = await readNext(tx, { id: organizationId })
  if (!numbers) throw new Error(`organization ${organizationId} is locked and not there`)
  /** By type, what was looked up under each id; null where there is nothing. */
  const known = new Map<string, Map<string, Known | null>>()
  const [created, changed] = [new Set<Known>(), new Set<Known>()]
  const touched = new Map<number, Known>()
  const counts = { created: 0, changed: 0, unchanged: 0 }
  let { next } = numbers

  function find({ type, id }: Named): Known | undefined {
    return known.get(type)?.get(id) ?? undefined
  }

  async function read(named: readonly Named[]): Promise<void> {
    const missing = new Map<string, string[]>()
    for (const { type, id } of named) {
      const ofType = known.get(type) ?? new Map<string, Known | null>()
      known.set(type, ofType)
      if (ofType.has(id)) continue
      ofType.set(id, null)
      const ids = missing.get(type)
      if (ids) ids.push(id)
      else missing.set(type, [id])
    }
    for (const [slug, ids] of missing) {
      const type = typeOf.get(slug)
      if (!type) continue
      for (const row of await findNamed(tx, { organizationId, typeId: type.id }, ids))
        known.get(slug)?.set(row.externalId, row)
    }
  }

  async function write(): Promise<void> {
    if (created.size + changed.size === 0) return
    const { revision } = await beginChange(tx, organizationId, byWhom(ctx))
    const fresh = [...created].map(row => ({ ...row, createdRevision: revision, deletedRevision: null }))
    await insertResources(tx, fresh)
    for (const row of changed) await updateResource(tx, row, { name: row.name, parentSeq: row.parentSeq })
    for (const row of [...created, ...changed]) touched.set(row.seq, row)
    created.clear()
    changed.clear()
  }

  return {
    types,
    type: slug => typeOf.get(slug),
    read,
    find,
    create(row) {
      const resource = { ...row, organizationId, seq: next++ }
      known.get(types.slugOf(row.typeId))?.set(row.externalId, resource)
      created.add(resource)
      counts.created++
    },
    change(row, { name, parentSeq }) {
      if (row.name === name && row.parentSeq === parentSeq) return void counts.unchanged++
      row.name = name
      row.parentSeq = parentSeq
      counts.changed++
      if (!created.has(row)) changed.add(row)
    },
    write,
    async finish(rejected) {
      if (touched.size === 0) return counts
      const change = await beginChange(tx, organizationId, byWhom(ctx))
      await setNext(tx, { id: organizationId, next })
      for (const [typeId, facts] of factsByType(types, touched.values()))
        await change.log({ fact: 'resource', ...resourceFact(typeId, facts) })
      const { created, changed } = counts
      const detail = { created, changed, rejected }
      const type = 'resources.imported'
      await recordBy(ctx, tx, { organization: organizationId, type, target: organizationId, detail })
      return counts
    },
  }
}

/** Types after those that they lie below, and so parents before their children. */
function factsByType(types: TypeTree, rows: Iterable<Known>): [typeId: string, facts: FactRow[]][] {
  const byType = new Map<string, FactRow[]>()
  for (const { seq, typeId, externalId, parentSeq } of rows) {
    const facts = byType.get(typeId)
    if (facts) facts.push([seq, externalId, parentSeq])
    else byType.set(typeId, [[seq, externalId, parentSeq]])
  }
  return [...byType].sort(([a], [b]) => types.depthOf(a) - types.depthOf(b))
}
