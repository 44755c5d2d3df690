import type { Route } from '@valetkey/sdk/contract'
import { AppError, CATALOGUE, isId } from '@valetkey/sdk/core'
import { formatRevisionToken, getOrganization } from '../directory/index.ts'
import { type Db, prepareQuery, type Raised, revisionsBy, type Store } from '../store/index.ts'

/** The header in which a write answers with the revision that it made: a later question can ask for at least that one. */
export const REVISION_HEADER = 'valetkey-revision'

/** A store that notes which revisions are made through it. */
export interface NotingStore {
  store: Store
  /** The revision token of what was made; of what stands, where there turned out to be nothing to change. */
  token(route: Route, input: unknown, answer: unknown): Promise<string | null>
}

export function noteRevisions(store: Store): NotingStore {
  const made = new Map<string, Raised>()
  return {
    store: {
      ...store,
      get db() {
        return store.db
      },
      async write(work) {
        const [value, revisions] = await store.write(async tx => [await work(tx), revisionsBy(tx)] as const)
        for (const [id, raised] of revisions) made.set(id, raised)
        return value
      },
    },
    async token(route, input, answer) {
      if (!route.permission.endsWith(':write')) return null
      // The organization's own where there is one: its token names the catalogue's revision too.
      const [changed] = [...made].sort(([a], [b]) => Number(a === CATALOGUE) - Number(b === CATALOGUE))
      if (changed) return tokenOf(changed[1], made.get(CATALOGUE)?.revision)
      const id = await organizationOf(store.db, route, input, answer)
      return id === undefined ? null : newestTokenOf(store.db, id)
    },
  }
}

const findRevisions = prepareQuery((db, { id }: { id: string }) =>
  db.selectFrom('organization').select(['id', 'seq', 'revision']).where('id', 'in', [id, CATALOGUE]),
)

/** The token of a revision; where the same write changed the catalogue, too, of that one. */
function tokenOf({ seq, revision, catalogue }: Raised, ownCatalogue = catalogue): string {
  return formatRevisionToken({ organization: seq, revision, catalogue: Math.max(catalogue, ownCatalogue) })
}

/** The token of the newest revision of an organization (or of the catalogue). */
async function newestTokenOf(db: Db, id: string): Promise<string> {
  const rows = await findRevisions(db, { id })
  const catalogue = rows.find(row => row.id === CATALOGUE)?.revision ?? 0
  const { seq, revision } = rows.find(row => row.id === id) ?? { seq: 0, revision: catalogue }
  return tokenOf({ seq, revision, catalogue })
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
