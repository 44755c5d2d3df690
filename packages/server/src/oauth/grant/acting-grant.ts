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
  /** Rests on the word of an issuer elsewhere, which is brought anew for every token. */
  readonly isByIssuer: boolean
}

/** Finds a grant by its id, whoever's it is, as it is now or was in a moment of its organization. */
export type GrantLookup = (
  id: string,
  moment?: { organization: string; revision: number },
) => Promise<ActingGrant | undefined>

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
      'grant.createdBy',
    ])
    .where('grant.id', '=', id),
)

/** So many are kept; the oldest makes room. */
const MOST_KEPT = 10_000

/**
 * Reads a grant from the database; what was found before is good for a moment of the same organization in which the
 * revision is the same, since whatever changes a grant or its person raises that.
 */
export function createGrantLookup(store: Store, now: () => number): GrantLookup {
  const kept = new Map<string, { grant: ActingGrant; revision: number }>()
  return async (id, moment) => {
    if (!isId(id, 'grant')) return undefined
    const known = kept.get(id)
    if (known && known.revision === moment?.revision && known.grant.organization === moment.organization)
      return at(known.grant, now())
    kept.delete(id)
    const [row] = await findGrant(store.db, { id })
    if (!row) return undefined
    const grant = read(id, row)
    if (kept.size >= MOST_KEPT) kept.delete(kept.keys().next().value ?? '')
    if (moment?.organization === grant.organization) kept.set(id, { grant, revision: moment.revision })
    return at(grant, now())
  }
}

/** A grant as it stands there, whatever the time is: its scopes are those that it holds as long as it lasts. */
function read(id: string, row: Awaited<ReturnType<typeof findGrant>>[number]): ActingGrant {
  const { scopes, elevated, details, expiresAt, revokedAt, frozenAt, createdBy, ...rest } = row
  return {
    ...{ id, ...rest },
    scopes: JSON.parse(scopes) as string[],
    elevated: JSON.parse(elevated) as Record<string, number>,
    details: details === null ? null : parseDetails(details),
    expiresAt: expiresAt === null ? null : Date.parse(expiresAt),
    isRevoked: revokedAt !== null || frozenAt !== null,
    isByIssuer: isId(createdBy, 'trustedIssuer'),
  }
}

function at(grant: ActingGrant, now: number): ActingGrant {
  const lasting = Object.entries(grant.elevated).filter(
    ([permission, until]) => until >= now + 1000 && !anyCovers(grant.scopes, permission),
  )
  return {
    ...grant,
    scopes: [...grant.scopes, ...lasting.map(([permission]) => permission)],
    elevated: Object.fromEntries(lasting),
  }
}

/** When a token has to end at the latest that carries these scopes under a grant. */
export function endOf({ expiresAt, elevated }: ActingGrant, scopes: readonly string[]): number {
  const ends = scopes.flatMap(scope => elevated[scope] ?? [])
  return Math.min(expiresAt ?? Number.POSITIVE_INFINITY, ...ends)
}
