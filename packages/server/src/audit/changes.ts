import { type AdminApi, type Output, type Parsed, shapes } from '@valetkey/sdk/contract'
import type { Db, Store } from '../store/index.ts'
import { fromCursor, toCursor } from './cursor.ts'
import { column } from './entry.ts'
import { findOrganization } from './filter.ts'
import type { Ledger } from './ledger.ts'

/** A page of recorded changes, newest first. */
export async function findChanges(
  ledger: Ledger,
  store: Store,
  query: Parsed<AdminApi['audit']['changes']>,
): Promise<Output<AdminApi['audit']['changes']>> {
  const { organization, type, actor, target, since, until, limit } = query
  const after = fromCursor(store, 'changes', query)
  let found = ledger.db.selectFrom('auditChange').select(['at', 'seq', 'body'])
  if (organization !== undefined)
    found = found.where('organization', '=', await findOrganization(store.db, organization))
  if (type !== undefined) found = found.where('type', '=', column(type))
  if (actor !== undefined) found = found.where('actor', 'in', await actorIds(store.db, actor))
  if (target !== undefined) found = found.where('target', '=', column(target))
  if (since !== undefined) found = found.where('at', '>=', Date.parse(since))
  if (until !== undefined) found = found.where('at', '<', Date.parse(until))
  if (after !== undefined)
    found = found.where(eb => eb(eb.refTuple('at', 'seq'), '<', eb.tuple(after.at, after.seq)))
  const rows = await found
    .orderBy('at', 'desc')
    .orderBy('seq', 'desc')
    .limit(limit + 1)
    .execute()
  const shown = rows.slice(0, limit)
  const last = shown.at(-1)
  const more = rows.length > limit && last !== undefined
  return {
    items: shown.map(row => shapes.RecordedChange.parse(JSON.parse(row.body))),
    next: more ? toCursor(store, 'changes', query, last) : null,
  }
}

/** Whoever has this id, email address or token name. */
async function actorIds(db: Db, name: string): Promise<string[]> {
  const people = await db.selectFrom('principal').select('id').where('externalId', '=', name).execute()
  const tokens = await db.selectFrom('apiToken').select('id').where('name', '=', name).execute()
  return [column(name), ...people.map(({ id }) => id), ...tokens.map(({ id }) => id)]
}
