import type { Route } from '@valetkey/sdk/contract'
import { AppError, CATALOGUE, isId } from '@valetkey/sdk/core'
import { formatRevisionToken, getOrganization } from '../directory/index.ts'
import { type Db, prepareQuery, revisionsBy, type Store } from '../store/index.ts'

/** The header in which a write answers with the revision that it made: a later question can ask for at least that one. */
export const REVISION_HEADER = 'valetkey-revision'

/** A store that notes which revisions are made through it. */
export interface NotingStore {
  store: Store
  /** The revision token of what was made; of what stands, where there turned out to be nothing to change. */
  token(route: Route, input: unknown, answer: unknown): Promise<string | null>
}

export function noteRevisions(store: Store): NotingStore {
  const made = new Map<string, number>()
  return {
    store: {
      ...store,
      get db() {
        return store.db
      },
      async write(work) {
        const [value, revisions] = await store.write(async tx => [await work(tx), revisionsBy(tx)] as const)
        for (const [id, revision] of revisions) made.set(id, revision)
        return value
      },
    },
    async token(route, input, answer) {
      if (!route.permission.endsWith(':write')) return null
      // The organization's own where there is one: its token names the catalogue's revision too.
      const [changed] = [...made.keys()].sort((a, b) => Number(a === CATALOGUE) - Number(b === CATALOGUE))
      const id = changed ?? (await organizationOf(store.db, route, input, answer))
      return id === undefined ? null : tokenOf(store.db, id, made.get(id))
    },
  }
}

const findRevisions = prepareQuery((db, { id }: { id: string }) =>
  db.selectFrom('organization').select(['id', 'seq', 'revision']).where('id', 'in', [id, CATALOGUE]),
)

/** The token of a revision of an organization (or of the catalogue); of the newest where none is named. */
async function tokenOf(db: Db, id: string, made: number | undefined): Promise<string> {
  const rows = await findRevisions(db, { id })
  const catalogue = rows.find(row => row.id === CATALOGUE)?.revision ?? 0
  const { seq, revision } = rows.find(row => row.id === id) ?? { seq: 0, revision: catalogue }
  return formatRevisionToken({ organization: seq, revision: made ?? revision, catalogue })
}

/** What an operation was about, where it changed nothing: the organization of its answer or input, or the catalogue. */
async function organizationOf(
  db: Db,
  route: Route,
  input: unknown,
  answer: unknown,
): Promise<string | undefined> {
  const named = memberOf(answer, 'organization') ?? memberOf(answer, 'id')
  if (named !== undefined && isId(named, 'organization')) return named
  const schema = route.body ?? route.query
  if (!schema || !('organization' in schema.shape)) return CATALOGUE
  try {
    return (await getOrganization(db, memberOf(input, 'organization'))).id
  } catch (cause) {
    if (cause instanceof AppError) return undefined
    throw cause
  }
}

function memberOf(value: unknown, key: string): string | undefined {
  if (typeof value !== 'object' || value === null || !(key in value)) return undefined
  const member = (value as Record<string, unknown>)[key]
  return typeof member === 'string' ? member : undefined
}
