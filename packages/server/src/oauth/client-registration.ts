import { prepareQuery, type Store } from '../store/index.ts'

/** A client as it is registered: what it calls itself and where it may return to. */
export interface Registration {
  readonly clientId: string
  readonly kind: 'pre-registered' | 'dynamic'
  readonly name: string
  readonly uri: string | null
  readonly redirectUris: readonly string[]
}

const findRow = prepareQuery((db, { id }: { id: string }) =>
  db
    .selectFrom('clientRegistration')
    .select(['clientId', 'kind', 'name', 'uri', 'redirectUris', 'expiresAt'])
    .where('clientId', '=', id),
)

/** Finds a registration by client id, unless it has ended unused. */
export async function findRegistration(
  store: Store,
  id: string,
  now: number,
): Promise<Registration | undefined> {
  const [row] = await findRow(store.db, { id })
  if (!row || (row.expiresAt !== null && Number(row.expiresAt) <= now)) return undefined
  const { clientId, kind, name, uri, redirectUris } = row
  return { clientId, kind, name, uri, redirectUris: JSON.parse(redirectUris) as string[] }
}
