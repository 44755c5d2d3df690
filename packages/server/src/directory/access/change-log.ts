import { CATALOGUE, CatalogueChange, type Change, OrganizationChange } from '@valetkey/sdk/core'
import { type Db, prepareQuery } from '../../store/index.ts'

/** The changes that follow a revision, oldest first and without a gap, and how far the organization is by now. */
export interface Tail {
  head: number
  changes: Change[]
}

const MOST_REVISIONS = 500

const findRows = prepareQuery((db, of: { organization: string; after: number; last: number }) =>
  db
    .selectFrom('organization')
    .leftJoin('changeLog', join =>
      join
        .onRef('changeLog.organizationId', '=', 'organization.id')
        .on('changeLog.revision', '>', of.after)
        .on('changeLog.revision', '<=', of.last),
    )
    .where('organization.id', '=', of.organization)
    .select([
      'organization.revision as head',
      'changeLog.revision',
      'changeLog.fact',
      'changeLog.factId',
      'changeLog.value',
    ])
    .orderBy('changeLog.revision')
    .orderBy('changeLog.ord'),
)

/**
 * Reads what follows a revision. `gone` where the log cannot tell: it was pruned, the revision lies ahead of the
 * database (which was restored, then), or a row is unreadable. The subscriber then has to load the facts anew.
 */
export async function readTail(db: Db, organization: string, after: number): Promise<Tail | 'gone'> {
  const last = after + MOST_REVISIONS
  // One statement sees one state of the database: the head and the rows up to it belong together.
  const rows = await findRows(db, { organization, after, last })
  const head = rows[0]?.head
  if (head === undefined || head < after) return 'gone'
  const ops = new Map<number, unknown[]>()
  for (const { revision, fact, factId, value } of rows) {
    if (revision === null) continue
    const list = ops.get(revision) ?? []
    ops.set(revision, list)
    list.push({ fact, id: factId, value: value === null ? null : JSON.parse(value) })
  }
  const changes: Change[] = []
  for (let revision = after + 1; revision <= Math.min(head, last); revision++) {
    const found = ops.get(revision)
    if (!found && (await isPruned(db, organization, revision))) return 'gone'
    const schema = organization === CATALOGUE ? CatalogueChange : OrganizationChange
    const change = schema.safeParse({ organization, revision, ops: found ?? [] })
    if (!change.success) return 'gone'
    changes.push(change.data)
  }
  return { head, changes }
}

/**
 * A revision without rows changed nothing, unless its rows were pruned. Pruning always takes the oldest revisions, so
 * an older row that is still there (read after the rows, so that none can vanish in between) says that it was empty.
 */
async function isPruned(db: Db, organization: string, revision: number): Promise<boolean> {
  const { oldest } = await db
    .selectFrom('changeLog')
    .where('organizationId', '=', organization)
    .select(eb => eb.fn.min('revision').as('oldest'))
    .executeTakeFirstOrThrow()
  return oldest === null || Number(oldest) > revision
}
