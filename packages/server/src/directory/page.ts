import { AppError } from '@valetkey/sdk/core'
import type { Context } from './context.ts'
import type { Row } from './fact-of.ts'
import { getOrganization } from './reference.ts'

export interface PageRequest {
  limit: number
  cursor?: string | undefined
}

export interface Page<Item> {
  items: Item[]
  next: string | null
}

/**
 * Reads one page of a list in the order of ids. The cursor is the last id, sealed for this list alone: it cannot be
 * made up, nor used on another list, and things created meanwhile neither repeat nor hide others.
 */
export async function readPage<Row extends { id: string }, Item>(
  ctx: Context,
  list: string,
  page: PageRequest,
  read: (after: string, limit: number) => Promise<Row[]>,
  toItem: (row: Row) => Item,
): Promise<Page<Item>> {
  const place = `cursor:${list}`
  const after = page.cursor === undefined ? '' : openCursor(ctx, page.cursor, place)
  const rows = await read(after, page.limit + 1)
  const shown = rows.slice(0, page.limit)
  const last = shown.at(-1)
  return {
    items: shown.map(toItem),
    next: rows.length > page.limit && last ? ctx.store.secrets.seal(last.id, place) : null,
  }
}

export function openCursor(ctx: Context, cursor: string, place: string): string {
  try {
    return ctx.store.secrets.open(cursor, place)
  } catch (cause) {
    throw new AppError('request.invalid', 'This cursor is not one that this list gave out.', {
      cause,
      path: 'cursor',
    })
  }
}

/** Tables whose rows belong to one organization and are listed as they are. */
type OwnTable =
  | 'delegationRule'
  | 'identityProvider'
  | 'scimToken'
  | 'signalReceiver'
  | 'signalSource'
  | 'trustedIssuer'

/** Reads one page of all that an organization has of a kind. */
export async function readOwnPage<T extends OwnTable>(
  ctx: Context,
  table: T,
  input: PageRequest & { organization?: string | undefined },
): Promise<Page<Row<T>>> {
  const { db } = ctx.store
  const { id } = await getOrganization(db, input.organization)
  const read = (after: string, limit: number) =>
    db
      .selectFrom<OwnTable>(table)
      .selectAll()
      .where('organizationId', '=', id)
      .where('id', '>', after)
      .orderBy('id')
      .limit(limit)
      .execute()
  const page = await readPage(ctx, `${table}:${id}`, input, read, row => row)
  return page as Page<Row<T>>
}
