import { type AuthorizationDetail, anyCovers, isId } from '@valetkey/sdk/core'
import { parseDetails } from '../../directory/index.ts'
import { prepareQuery, type Store } from '../../store/index.ts'

/** What a person lets an agent do for them, as the database says at this moment. */
export interface ActingGrant {
  readonly id: string
  readonly organization: string
  readonly agent: string
  readonly person: string
  readonly personStatus: string
  /** What it holds now. */
  readonly scopes: readonly string[]
  /** When each of these ends (ms since 1970) that it holds for a shorter time than the rest. */
  readonly elevated: Readonly<Record<string, number>>
  /** What it was given for in detail; null where nothing was said. */
  readonly details: readonly AuthorizationDetail[] | null
  /** The one server that it is for; null is every one. */
  readonly server: string | null
  /** Milliseconds since 1970. */
  readonly expiresAt: number | null
  /** Taken back, or frozen. */
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
      'grant.elevated',
      'grant.serverId as server',
      'grant.details',
      'grant.expiresAt',
      'grant.revokedAt',
      'grant.frozenAt',
    ])
    .where('grant.id', '=', id),
)

/** Nothing of it is kept: a grant that was revoked a moment ago fails at the very next request. */
export function createGrantLookup(store: Store, now: () => number): GrantLookup {
  return async id => {
    if (!isId(id, 'grant')) return undefined
    const [row] = await findGrant(store.db, { id })
    if (!row) return undefined
    const { scopes, expiresAt, revokedAt, frozenAt, ...rest } = row
    const lasting = JSON.parse(scopes) as string[]
    const elevated = Object.entries(JSON.parse(rest.elevated) as Record<string, number>).filter(
      ([permission, until]) => until >= now() + 1000 && !anyCovers(lasting, permission),
    )
    return {
      id,
      ...rest,
      scopes: [...lasting, ...elevated.map(([permission]) => permission)],
      elevated: Object.fromEntries(elevated),
      details: rest.details === null ? null : parseDetails(rest.details),
      expiresAt: expiresAt === null ? null : Date.parse(expiresAt),
      isRevoked: revokedAt !== null || frozenAt !== null,
    }
  }
}

/** When a token has to end at the latest that carries these scopes under a grant. */
export function endOf({ expiresAt, elevated }: ActingGrant, scopes: readonly string[]): number {
  const ends = scopes.flatMap(scope => elevated[scope] ?? [])
  return Math.min(expiresAt ?? Number.POSITIVE_INFINITY, ...ends)
}
