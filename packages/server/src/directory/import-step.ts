import type { ResourceRow as FactRow } from '@valetkey/sdk/core'
import { beginChange, type Tx } from '../store/index.ts'
import type { Context } from './context.ts'
import type { Row } from './fact-of.ts'
import { byWhom, lock, recordBy } from './operation.ts'
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

export async function beginStep(ctx: Context, tx: Tx, organizationId: string): Promise<ImportStep> {
  await lock(tx, organizationId)
  const types = await readTypeTree(tx)
  const rows = await tx.selectFrom('resourceType').selectAll().execute()
  const typeOf = new Map(rows.map(row => [row.slug, row]))
  const { next: first } = await tx
    .selectFrom('organization')
    .select('nextResourceSeq as next')
    .where('id', '=', organizationId)
    .executeTakeFirstOrThrow()
  const known = new Map<string, Known>()
  const keyOf = (typeId: string, externalId: string) => `${typeId} ${externalId}`
  const [created, changed] = [new Set<Known>(), new Set<Known>()]
  const touched = new Map<number, Known>()
  const counts = { created: 0, changed: 0, unchanged: 0 }
  let next = first

  function find({ type, id }: Named): Known | undefined {
    return known.get(keyOf(typeOf.get(type)?.id ?? '', id))
  }

  async function read(named: readonly Named[]): Promise<void> {
    const byType = new Map<string, Set<string>>()
    for (const { type: slug, id } of named) {
      const type = typeOf.get(slug)
      if (!type || known.has(keyOf(type.id, id))) continue
      byType.set(type.id, (byType.get(type.id) ?? new Set()).add(id))
    }
    for (const [typeId, ids] of byType)
      for (const row of await tx
        .selectFrom('resource')
        .select(['organizationId', 'seq', 'typeId', 'externalId', 'parentSeq', 'name'])
        .where('organizationId', '=', organizationId)
        .where('typeId', '=', typeId)
        .where('externalId', 'in', [...ids])
        .where('deletedRevision', 'is', null)
        .execute())
        known.set(keyOf(typeId, row.externalId), row)
  }

  async function write(): Promise<void> {
    if (created.size + changed.size === 0) return
    const { revision } = await beginChange(tx, organizationId, byWhom(ctx))
    const fresh = [...created].map(row => ({ ...row, createdRevision: revision, deletedRevision: null }))
    if (fresh.length > 0) await tx.insertInto('resource').values(fresh).execute()
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
      known.set(keyOf(row.typeId, row.externalId), resource)
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
      await tx
        .updateTable('organization')
        .set({ nextResourceSeq: next })
        .where('id', '=', organizationId)
        .execute()
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
