import type { Db } from '../../store/index.ts'
import { ScimError } from './error.ts'
import { type Filter, matches, readFilter } from './filter.ts'
import type { Kind, Stored, Token } from './resource.ts'

/** The most that one page shows. */
export const MOST_RESULTS = 200
const DEFAULT_RESULTS = 100
const AT_ONCE = 500

/** Which resources are asked for: those that a filter lets through, so many from a number on. */
export interface ListQuery {
  filter: string | undefined
  startIndex: string | undefined
  count: string | undefined
}

/** One page (RFC 7644 section 3.4.2.4), with how many there are in all. */
export async function listResources(
  db: Db,
  kind: Kind,
  token: Token,
  query: ListQuery,
): Promise<{ total: number; startIndex: number; page: Stored[] }> {
  const startIndex = Math.max(1, readNumber(query.startIndex, 1))
  const count = Math.min(MOST_RESULTS, Math.max(0, readNumber(query.count, DEFAULT_RESULTS)))
  const filter = query.filter === undefined ? undefined : readFilter(kind.schema, query.filter)
  const found = filter && (await kind.lookUp(db, token, filter))
  const wanted = { first: startIndex - 1, count }
  if (found && filter) {
    const met = found.filter(stored => isMet(kind, filter, stored))
    return { total: met.length, startIndex, page: met.slice(wanted.first, wanted.first + count) }
  }
  return { startIndex, ...(await walk(db, kind, token, filter, wanted)) }
}

function isMet(kind: Kind, filter: Filter, { id, resource, createdAt, updatedAt }: Stored): boolean {
  const meta = { resourceType: kind.schema.name, created: createdAt, lastModified: updatedAt }
  return matches(kind.schema, filter, { ...resource, id, meta })
}

/** Looks at all of them in the order of their ids, some at a time; how many there are the database knows without. */
async function walk(
  db: Db,
  kind: Kind,
  token: Token,
  filter: Filter | undefined,
  { first, count }: { first: number; count: number },
): Promise<{ total: number; page: Stored[] }> {
  const page: Stored[] = []
  let total = 0
  for (let after = ''; ; ) {
    const some = await kind.page(db, token, after, AT_ONCE)
    for (const stored of some) {
      if (filter && !isMet(kind, filter, stored)) continue
      if (total >= first && page.length < count) page.push(stored)
      total++
    }
    const last = some.at(-1)
    const isFull = !filter && page.length >= count && total >= first
    if (!last || some.length < AT_ONCE) return { total, page }
    if (isFull) return { total: await kind.count(db, token), page }
    after = last.id
  }
}

function readNumber(text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise
  if (!/^-?\d{1,9}$/.test(text)) throw new ScimError(400, 'This is a whole number.', 'invalidValue')
  return Number(text)
}
