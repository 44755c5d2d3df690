import { CATALOGUE } from '@valetkey/sdk/core'
import type { InferResult } from 'kysely'
import { clientIdOf } from '../../directory/index.ts'
import { type Db, prepareQuery, type Store } from '../../store/index.ts'

/** A credential that is not revoked; whether it has expired is for the moment of use to say. */
export interface CallerCredential {
  readonly id: string
  readonly kind: 'secret' | 'key' | 'public' | 'document' | 'workload'
  readonly secretHash: string | null
  readonly publicJwk: string | null
  /** Milliseconds since 1970. */
  readonly expiresAt: number | null
}

/** The agent behind a client id, as the database says at this moment. */
export interface Caller {
  readonly clientId: string
  readonly agent: string
  readonly agentKind: 'autonomous' | 'user_authorized' | 'both'
  readonly organization: string
  readonly ceiling: readonly string[]
  readonly legacyAudience: boolean
  /** Whether its tokens must be bound to a key. */
  readonly dpop: boolean
  readonly credentials: readonly CallerCredential[]
  /** Why this agent may not act at all, for the record only. */
  readonly barred: string | undefined
  /** The revisions of the organization and the catalogue in the same moment. */
  readonly revision: number
  readonly catalogueRevision: string
}

const CLIENT_ID = '\u0000client'

/** So many are kept; the oldest makes room. */
const MOST_KEPT = 10_000

/**
 * Finds who is behind a client id: client, agent, owner, organization and all live credentials. What was found before is
 * good as long as the revisions of the organization and the catalogue are the same, and these are read at every request:
 * what was revoked or suspended a moment ago fails at the very next one.
 */
export function createCallerLookup(store: Store): (clientId: string) => Promise<Caller | undefined> {
  const prepared = callerQuery(store.db)
  const kept = new Map<string, Caller>()
  return async clientId => {
    const known = kept.get(clientId)
    if (known && (await isAsItWas(store, known))) return known
    kept.delete(clientId)
    const parameters = prepared.parameters.map(value => (value === CLIENT_ID ? clientId : value))
    const { rows } = await store.db.executeQuery<Row>({ ...prepared, parameters })
    const found = toCaller(rows)
    if (!found) return undefined
    if (kept.size >= MOST_KEPT) kept.delete(kept.keys().next().value ?? '')
    kept.set(clientId, found)
    return found
  }
}

const readRevisions = prepareQuery((db, { home }: { home: string }) =>
  db.selectFrom('organization').select(['id', 'revision']).where('id', 'in', [CATALOGUE, home]),
)

async function isAsItWas({ db }: Store, caller: Caller): Promise<boolean> {
  const rows = await readRevisions(db, { home: caller.organization })
  const at = (id: string) => rows.find(row => row.id === id)?.revision
  return (
    Number(at(caller.organization)) === caller.revision && String(at(CATALOGUE)) === caller.catalogueRevision
  )
}

function toCaller(rows: readonly Row[]): Caller | undefined {
  const [first] = rows
  if (!first) return undefined
  return {
    clientId: clientIdOf(first.clientId),
    agent: first.agentId,
    agentKind: first.agentKind,
    organization: first.organizationId,
    ceiling: JSON.parse(first.ceiling) as string[],
    legacyAudience: first.legacyAudience === 1,
    dpop: first.dpop === 1,
    credentials: rows.flatMap(toCredential),
    barred: barrier(first),
    revision: Number(first.revision),
    catalogueRevision: String(first.catalogueRevision),
  }
}

type Row = InferResult<ReturnType<typeof callerQuery>>[number]

function callerQuery(db: Db) {
  return db
    .selectFrom('client')
    .innerJoin('agent', 'agent.id', 'client.agentId')
    .innerJoin('principal as self', 'self.id', 'agent.id')
    .innerJoin('principal as owner', 'owner.id', 'agent.ownerId')
    .innerJoin('organization as home', 'home.id', 'client.organizationId')
    .innerJoin('organization as catalogue', join => join.on('catalogue.id', '=', 'catalogue'))
    .leftJoin('credential', join =>
      join.onRef('credential.clientId', '=', 'client.id').on('credential.revokedAt', 'is', null),
    )
    .select([
      'client.id as clientId',
      'client.agentId',
      'client.organizationId',
      'client.legacyAudience',
      'agent.kind as agentKind',
      'agent.ceiling',
      'agent.dpop',
      'self.status as agentStatus',
      'owner.status as ownerStatus',
      'home.status as organizationStatus',
      'home.revision',
      'catalogue.status as environmentStatus',
      'catalogue.revision as catalogueRevision',
      'credential.id as credentialId',
      'credential.kind as credentialKind',
      'credential.secretHash',
      'credential.publicJwk',
      'credential.expiresAt',
      'credential.frozenAt',
    ])
    .where('client.id', '=', CLIENT_ID)
    .compile()
}

/** One that is frozen proves nothing until it is thawed. */
function toCredential(row: Row): CallerCredential[] {
  if (row.frozenAt !== null) return []
  if (row.credentialId === null || row.credentialKind === null) return []
  const expiresAt = row.expiresAt === null ? null : Date.parse(row.expiresAt)
  const { credentialId: id, credentialKind: kind, secretHash, publicJwk } = row
  return [{ id, kind, secretHash, publicJwk, expiresAt }]
}

function barrier(row: Row): string | undefined {
  if (row.environmentStatus !== 'active') return `environment_${row.environmentStatus}`
  if (row.organizationStatus !== 'active') return `organization_${row.organizationStatus}`
  if (row.agentStatus !== 'active') return `agent_${row.agentStatus}`
  // An agent whose owner is gone answers to nobody.
  if (row.ownerStatus !== 'active') return `owner_${row.ownerStatus}`
  return undefined
}
