import type { Db } from '../../store/index.ts'
import { ScimError } from './error.ts'
import { type Filter, readFilter } from './filter.ts'
import type { Kind, Stored, Token } from './resource.ts'
import type { Part } from './value.ts'

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
  const first = startIndex - 1
  if (query.filter === undefined) {
    const page = count === 0 ? [] : await kind.page(db, token, { skip: first, limit: count })
    return { total: await kind.count(db, token), startIndex, page }
  }
  const filter = readFilter(kind.schema, query.filter)
  const page: Stored[] = []
  let total = 0
  for await (const stored of candidates(db, kind, token, filter)) {
    if (!filter.test(withMeta(kind, stored))) continue
    if (total >= first && page.length < count) page.push(stored)
    total++
  }
  return { total, startIndex, page }
}

function withMeta({ schema }: Kind, { id, resource, createdAt, updatedAt }: Stored): Part {
  return { ...resource, id, meta: { resourceType: schema.name, created: createdAt, lastModified: updatedAt } }
}

/** Whatever a filter may let through: few, where the database can tell; else all, in the order of their ids. */
async function* candidates(db: Db, kind: Kind, token: Token, filter: Filter): AsyncGenerator<Stored> {
  const complete = (some: Stored[]) => (filter.names.has(kind.late) ? kind.complete(db, token, some) : some)
  const found = await kind.lookUp(db, token, filter.equal)
  if (found) return yield* await complete(found)
  for (let after = ''; ; ) {
    const some = await kind.page(db, token, { after, limit: AT_ONCE })
    yield* await complete(some)
    const last = some.at(-1)
    if (!last || some.length < AT_ONCE) return
    after = last.id
  }
}

function readNumber(text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise
  if (!/^-?\d{1,9}$/.test(text)) throw new ScimError(400, 'This is a whole number.', 'invalidValue')
  return Number(text)
}
