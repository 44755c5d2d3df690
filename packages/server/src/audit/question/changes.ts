import { type AdminApi, type Output, type Parsed, shapes } from '@valetkey/sdk/contract'
import { type JsonObject, joinRecord } from '@valetkey/sdk/core'
import type { Db, Store } from '../../store/index.ts'
import { fromCursor, toCursor } from '../cursor.ts'
import { column, KIND } from '../entry.ts'
import type { Ledger } from '../ledger.ts'
import { findOrganization } from './resolve.ts'
import { type FoundRecord, only, type RecordFilter } from './rows.ts'

type ChangePage = Output<AdminApi['audit']['changes']>

/** A page of recorded changes, newest first. */
export async function findChanges(
  ledger: Ledger,
  store: Store,
  query: Parsed<AdminApi['audit']['changes']>,
  now: number,
): Promise<ChangePage> {
  const { organization, type, actor, target, since, until, limit } = query
  const after = fromCursor(store, 'changes', query)
  const named: RecordFilter['named'] = {}
  if (type !== undefined) named.action = only(column(type))
  if (actor !== undefined) named.actor = { any: await actorIds(store.db, actor), none: [] }
  if (target !== undefined) named.target = only(column(target))
  const filter: RecordFilter = {
    kinds: [KIND.event],
    logs: organization === undefined ? undefined : only(await findOrganization(store.db, organization)),
    named,
    since: since === undefined ? undefined : Date.parse(since),
    until: until === undefined ? undefined : Date.parse(until),
  }
  const { rows, next, lookedBackTo } = await ledger.ask({ filter, limit, after })
  return {
    items: rows.flatMap(row => toChange(row) ?? []),
    next: next && toCursor(store, 'changes', query, { ...next, askedAt: after?.askedAt ?? now }),
    lookedBackTo: lookedBackTo === null ? null : new Date(lookedBackTo).toISOString(),
  }
}

function toChange({ entry, data }: FoundRecord): ChangePage['items'][number] | undefined {
  if (!('leaf' in entry)) return undefined
  const leaf = JSON.parse(entry.leaf) as JsonObject
  const record = joinRecord({ leaf, data: data === null ? null : (JSON.parse(data.data) as JsonObject) })
  return shapes.RecordedChange.parse({ organization: null, detail: {}, ...record })
}

/** Whoever has this id, email address or token name. */
async function actorIds(db: Db, name: string): Promise<string[]> {
  const people = await db.selectFrom('principal').select('id').where('externalId', '=', name).execute()
  const tokens = await db.selectFrom('apiToken').select('id').where('name', '=', name).execute()
  return [column(name), ...people.map(({ id }) => id), ...tokens.map(({ id }) => id)]
}
