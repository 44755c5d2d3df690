import { prepareQuery, type Store } from '../../store/index.ts'
import type { ClientDocument } from './document.ts'

/** A client as it is registered: what it calls itself and where it may return to. */
export interface Registration {
  readonly clientId: string
  readonly kind: 'pre-registered' | 'dynamic' | 'metadata-document'
  readonly name: string
  readonly uri: string | null
  readonly redirectUris: readonly string[]
  /** Whether it may come with a request only that it pushed before. */
  readonly mustPush: boolean
  /** Whether it proves who it is when it redeems a code. */
  readonly isConfidential: boolean
  /** Where its id names it. */
  readonly document?: ClientDocument
}

const findRow = prepareQuery((db, { id }: { id: string }) =>
  db
    .selectFrom('clientRegistration')
    .select(['clientId', 'kind', 'name', 'uri', 'redirectUris', 'authentication', 'mustPush', 'expiresAt'])
    .where('clientId', '=', id),
)

/** Finds a registration by client id, unless it has ended unused. There is none without a place to return to. */
export async function findRegistration(
  store: Store,
  id: string,
  now: number,
): Promise<Registration | undefined> {
  const [row] = await findRow(store.db, { id })
  if (!row || (row.expiresAt !== null && Number(row.expiresAt) <= now)) return undefined
  const { clientId, kind, name, uri, redirectUris, authentication, mustPush } = row
  return {
    ...{ clientId, kind, name, uri },
    redirectUris: JSON.parse(redirectUris) as string[],
    isConfidential: authentication === 'credential',
    mustPush: mustPush === 1,
  }
}
