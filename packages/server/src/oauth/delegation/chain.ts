import { intersectScopes, isId } from '@valetkey/sdk/core'
import { prepareQuery, type Store } from '../../store/index.ts'

/** A link of a chain and the agent that delegated by it, as the database says at this moment. */
interface Link {
  readonly id: string
  readonly delegator: string
  readonly delegate: string
  readonly scopes: readonly string[]
  /** Milliseconds since 1970. */
  readonly expiresAt: number
}

/** What a delegate acts by: links from the root on, and the person's grant behind the first where there is one. */
export interface Chain {
  readonly organization: string
  readonly links: readonly Link[]
  /** The agent at the end of it, which acts. */
  readonly delegate: string
  readonly grant: { readonly id: string; readonly person: string; readonly server: string | null } | null
  /** What all links, all agents that delegated and the grant let through. */
  readonly scopes: readonly string[]
  /** The earliest end of any of them, in milliseconds since 1970. */
  readonly expiresAt: number
  /** Why it lets nobody act, for the record. */
  readonly broken: string | undefined
}

const readChain = prepareQuery((db, { id }: { id: string }) =>
  db
    .selectFrom('delegationPath as path')
    .innerJoin('delegation as link', 'link.id', 'path.ancestorId')
    .innerJoin('agent', 'agent.id', 'link.delegatorId')
    .innerJoin('principal as delegator', 'delegator.id', 'link.delegatorId')
    .innerJoin('principal as owner', 'owner.id', 'agent.ownerId')
    .innerJoin('credential', 'credential.id', 'link.credentialId')
    .leftJoin('grant', 'grant.id', 'link.grantId')
    .leftJoin('principal as person', 'person.id', 'grant.personId')
    .select([
      'link.id',
      'link.organizationId as organization',
      'link.delegatorId as delegator',
      'link.delegateId as delegate',
      'link.scopes',
      'link.expiresAt',
      'link.activatedAt',
      'link.endedAt',
      'link.frozenAt',
      'agent.ceiling',
      'delegator.status as delegatorStatus',
      'owner.status as ownerStatus',
      'credential.revokedAt as credentialRevokedAt',
      'credential.frozenAt as credentialFrozenAt',
      'grant.id as grant',
      'grant.personId as person',
      'grant.scopes as grantScopes',
      'grant.expiresAt as grantExpiresAt',
      'grant.revokedAt as grantRevokedAt',
      'grant.frozenAt as grantFrozenAt',
      'grant.serverId as grantServer',
      'person.status as personStatus',
    ])
    .where('path.delegationId', '=', id)
    .orderBy('path.position'),
)

type Row = Awaited<ReturnType<typeof readChain>>[number]

/** Who asks for a chain: the revision of its organization that was read for this very request. */
interface Asker {
  organization: string
  revision: number
}

/** Finds the chain that ends with a link, whoever's it is. `offered` may not have been taken up yet. */
export type ChainLookup = (id: string, asker: Asker, offered?: boolean) => Promise<Chain | undefined>

/** So many are kept; the oldest makes room. */
const MOST_KEPT = 10_000

/** What was read of a chain, and all that does not depend on the time. */
interface Read {
  revision: number
  rows: readonly Row[]
  chain: Omit<Chain, 'broken'>
}

/**
 * What was found before is good as long as the organization's revision is the same, which whoever asks has just read: all that a
 * chain rests on are facts. What was taken back a moment ago fails at the very next request.
 */
export function createChainLookup(store: Store, now: () => number): ChainLookup {
  const kept = new Map<string, Read>()
  return async (id, { organization, revision }, offered = false) => {
    if (!isId(id, 'delegation')) return undefined
    const known = kept.get(id)
    const isHere = known?.chain.organization === organization && known.revision === revision
    const read = isHere && !offered ? known : await readOne(store, id, revision)
    if (!read) return undefined
    kept.delete(id)
    const [oldest] = kept.keys()
    if (kept.size >= MOST_KEPT && oldest !== undefined) kept.delete(oldest)
    // One that nobody has taken up is no fact yet, and the revision is that of the asker's own organization.
    if (!offered && read.chain.organization === organization) kept.set(id, read)
    const last = read.rows.at(-1)
    const broken = read.rows
      .map(row => breakOf(row, { now: now(), offered: offered && row === last }))
      .find(reason => reason !== undefined)
    return { ...read.chain, broken }
  }
}

async function readOne(store: Store, id: string, revision: number): Promise<Read | undefined> {
  const rows = await readChain(store.db, { id })
  const last = rows.at(-1)
  if (!last) return undefined
  const chain = {
    organization: last.organization,
    links: rows.map(toLink),
    delegate: last.delegate,
    grant:
      last.grant === null ? null : { id: last.grant, person: last.person ?? '', server: last.grantServer },
    scopes: rows.flatMap(boundsOf).reduce(intersectScopes),
    expiresAt: Math.min(...rows.flatMap(endsOf)),
  }
  return { revision, rows, chain }
}

function toLink({ id, delegator, delegate, scopes, expiresAt }: Row): Link {
  return {
    ...{ id, delegator, delegate },
    scopes: JSON.parse(scopes) as string[],
    expiresAt: Date.parse(expiresAt),
  }
}

function boundsOf({ scopes, ceiling, grantScopes }: Row): string[][] {
  const texts = grantScopes === null ? [scopes, ceiling] : [scopes, ceiling, grantScopes]
  return texts.map(text => JSON.parse(text) as string[])
}

function endsOf({ expiresAt, grantExpiresAt }: Row): number[] {
  return [expiresAt, ...(grantExpiresAt === null ? [] : [grantExpiresAt])].map(time => Date.parse(time))
}

function breakOf(row: Row, { now, offered }: { now: number; offered: boolean }): string | undefined {
  if (row.endedAt !== null || (row.activatedAt === null && !offered)) return 'delegation_revoked'
  // A token lives for whole seconds.
  if (endsOf(row).some(end => end < now + 1000)) return 'delegation_expired'
  if (row.frozenAt !== null) return 'delegation_frozen'
  if (row.delegatorStatus !== 'active') return `delegator_${row.delegatorStatus}`
  if (row.ownerStatus !== 'active') return `delegator_owner_${row.ownerStatus}`
  if (row.credentialRevokedAt !== null) return 'delegator_credential_revoked'
  if (row.credentialFrozenAt !== null) return 'delegator_credential_frozen'
  if (row.grantRevokedAt !== null) return 'grant_revoked'
  if (row.grantFrozenAt !== null) return 'grant_frozen'
  if (row.personStatus !== null && row.personStatus !== 'active') return `person_${row.personStatus}`
  return undefined
}
