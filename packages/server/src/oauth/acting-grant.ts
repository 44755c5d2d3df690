import { isId } from '@valetkey/sdk/core'
import { prepareQuery, type Store } from '../store/index.ts'

/** What a person lets an agent do for them, as the database says at this moment. */
export interface ActingGrant {
  readonly id: string
  readonly organization: string
  readonly agent: string
  readonly person: string
  readonly personStatus: string
  readonly scopes: readonly string[]
  /** Milliseconds since 1970. */
  readonly expiresAt: number | null
  readonly isRevoked: boolean
}

/** Finds a grant by its id, whoever's it is. */
export type GrantLookup = (id: string) => Promise<ActingGrant | undefined>

const findGrant = prepareQuery((db, { id }: { id: string }) =>
  db
    .selectFrom('grant')
    .innerJoin('principal as person', 'person.id', 'grant.personId')
    .select([
      'grant.organizationId as organization',
      'grant.agentId as agent',
      'grant.personId as person',
      'person.status as personStatus',
      'grant.scopes',
      'grant.expiresAt',
      'grant.revokedAt',
    ])
    .where('grant.id', '=', id),
)

/** Nothing of it is kept: a grant that was revoked a moment ago fails at the very next request. */
export function createGrantLookup(store: Store): GrantLookup {
  return async id => {
    if (!isId(id, 'grant')) return undefined
    const [row] = await findGrant(store.db, { id })
    if (!row) return undefined
    const { scopes, expiresAt, revokedAt, ...rest } = row
    return {
      id,
      ...rest,
      scopes: JSON.parse(scopes) as string[],
      expiresAt: expiresAt === null ? null : Date.parse(expiresAt),
      isRevoked: revokedAt !== null,
    }
  }
}
