import type { CatalogueOp, JsonObject, OrganizationOp } from '@valetkey/sdk/core'
import type { Row } from '../directory/index.ts'
import type { Db } from '../store/index.ts'

/** What receivers can be told of (CAEP 1.0). */
export type EventName = 'session-revoked' | 'credential-change' | 'token-claims-change' | 'risk-level-change'
export const EVENT_NAMES: readonly EventName[] = [
  'session-revoked',
  'credential-change',
  'token-claims-change',
  'risk-level-change',
]

/** Something that receivers are to know of, before it is said in the words of one of them. */
export interface Happening {
  event: EventName
  /** Whose sessions: every one that all of these name. */
  whose: {
    organization?: string
    person?: { id: string; email: string }
    agent?: string
    /** A grant or a delegation. */
    session?: string
    /** A token by its `jti`; then nothing else is named. */
    token?: string
  }
  reason: string
  payload?: JsonObject
}

type Op = CatalogueOp | OrganizationOp
type Ids = { grant: string[]; delegation: string[]; credential: string[]; principal: string[] }

/** Says what the changes of one revision mean for those who hold sessions of ours. */
export async function happeningsOf(db: Db, organization: string, ops: readonly Op[]): Promise<Happening[]> {
  const named = await readNamed(db, ops)
  const isNew = new Set(ops.filter(({ fact }) => fact === 'principal').map(({ id }) => id))
  return ops.flatMap(op => [
    ...listOf(happeningOf(op, { organization, named, isNew })),
    ...ownersGone(op, named.owned),
  ])
}

function listOf(happening: Happening | undefined): Happening[] {
  return happening ? [happening] : []
}

/** An agent whose owner is gone answers to nobody, and is refused. */
function ownersGone(op: Op, owned: ReadonlyMap<string, readonly string[]>): Happening[] {
  if (op.fact !== 'principal' || op.value?.kind !== 'user' || !isStopped(op.value.status)) return []
  return (owned.get(op.id) ?? []).map(agent => ({
    event: 'session-revoked',
    whose: { agent },
    reason: `The owner of the agent is ${op.value?.status}.`,
  }))
}

function isStopped(status: string): boolean {
  return status === 'suspended' || status === 'retired'
}

interface Scene {
  organization: string
  named: Awaited<ReturnType<typeof readNamed>>
  /** Principals that the same revision is about: an agent's first ceiling is no change of it. */
  isNew: ReadonlySet<string>
}

function happeningOf(op: Op, scene: Scene): Happening | undefined {
  switch (op.fact) {
    case 'grant':
      return op.value === null || op.value.frozen ? grantEnded(op.id, op.value !== null, scene) : undefined
    case 'link':
      return op.value === null || op.value.frozen ? linkEnded(op.id, op.value !== null, scene) : undefined
    case 'credential':
      return op.value === null || op.value.frozen ? credentialGone(op.id, scene) : undefined
    case 'principal':
      return op.value ? principalStopped(op.value, scene) : undefined
    case 'agent':
      if (op.value === null || scene.isNew.has(op.id)) return undefined
      return {
        event: 'token-claims-change',
        whose: { agent: op.id },
        reason: 'What the agent may ask for has changed.',
        payload: { claims: { scope: op.value.ceiling.join(' ') } },
      }
    case 'revoked_token':
      return op.value
        ? { event: 'session-revoked', whose: { token: op.id }, reason: 'The token was taken back.' }
        : undefined
    case 'organization':
    case 'environment':
      if (op.value === null || op.value.status === 'active') return undefined
      return {
        event: 'session-revoked',
        whose: { organization: scene.organization },
        reason: `The organization is ${op.value.status}.`,
      }
    default:
      return undefined
  }
}

function grantEnded(id: string, isFrozen: boolean, { named }: Scene): Happening | undefined {
  const grant = named.grants.get(id)
  const person = grant && named.people.get(grant.personId)
  if (!grant || !person) return undefined
  return {
    event: 'session-revoked',
    whose: { person, agent: grant.agentId, session: id },
    reason: `What the person let the agent do was ${isFrozen ? 'frozen' : 'taken back'}.`,
  }
}

function linkEnded(id: string, isFrozen: boolean, { named }: Scene): Happening | undefined {
  const link = named.links.get(id)
  if (!link) return undefined
  return {
    event: 'session-revoked',
    whose: { agent: link.delegateId, session: id },
    reason: `The delegation ${isFrozen ? 'was frozen' : 'has ended'}.`,
  }
}

function credentialGone(id: string, { named }: Scene): Happening | undefined {
  const credential = named.credentials.get(id)
  if (!credential) return undefined
  return {
    event: 'credential-change',
    whose: { agent: credential.agentId },
    reason: 'A credential of the agent was taken back.',
    payload: {
      credential_type: credential.kind === 'secret' ? 'password' : 'public-key',
      change_type: 'revoke',
      ...(credential.label !== '' && { friendly_name: credential.label }),
    },
  }
}

function principalStopped(
  { id, kind, status }: { id: string; kind: string; status: string },
  { named }: Scene,
): Happening | undefined {
  if (!isStopped(status)) return undefined
  const person = named.people.get(id)
  if (kind === 'agent')
    return { event: 'session-revoked', whose: { agent: id }, reason: `The agent is ${status}.` }
  return kind === 'user' && person
    ? { event: 'session-revoked', whose: { person }, reason: `The person is ${status}.` }
    : undefined
}

const A_TIME = 500

/** What the log names by id alone: whom a grant, a delegation or a credential was of never changes. */
async function readNamed(db: Db, ops: readonly Op[]) {
  const ids: Ids = { grant: [], delegation: [], credential: [], principal: [] }
  for (const { fact, id } of ops) {
    if (fact === 'grant' || fact === 'credential' || fact === 'principal') ids[fact].push(id)
    if (fact === 'link') ids.delegation.push(id)
  }
  const grants = await byId(ids.grant, part =>
    db.selectFrom('grant').select(['id', 'agentId', 'personId']).where('id', 'in', part).execute(),
  )
  const links = await byId(ids.delegation, part =>
    db.selectFrom('delegation').select(['id', 'delegateId']).where('id', 'in', part).execute(),
  )
  const credentials = await byId(ids.credential, part =>
    db.selectFrom('credential').select(['id', 'agentId', 'kind', 'label']).where('id', 'in', part).execute(),
  )
  const named = [...ids.principal, ...[...grants.values()].map(({ personId }) => personId)]
  const people = await byId([...new Set(named)], part =>
    db
      .selectFrom('principal')
      .select(['id', 'externalId as email'])
      .where('kind', '=', 'user')
      .where('id', 'in', part)
      .execute(),
  )
  return { grants, links, credentials, people, owned: await readOwned(db, ids.principal) }
}

/** By person, the agents that they own and that are not stopped themselves. */
async function readOwned(db: Db, principals: readonly string[]): Promise<Map<string, string[]>> {
  const owned = new Map<string, string[]>()
  for (let at = 0; at < principals.length; at += A_TIME) {
    const rows = await db
      .selectFrom('agent')
      .innerJoin('principal', 'principal.id', 'agent.id')
      .select(['agent.id', 'agent.ownerId'])
      .where('agent.ownerId', 'in', principals.slice(at, at + A_TIME))
      .where('principal.status', '=', 'active')
      .orderBy('agent.id')
      .execute()
    for (const { id, ownerId } of rows) owned.set(ownerId, [...(owned.get(ownerId) ?? []), id])
  }
  return owned
}

async function byId<R extends Pick<Row<'grant'>, 'id'>>(
  ids: readonly string[],
  read: (part: readonly string[]) => Promise<R[]>,
): Promise<Map<string, R>> {
  const found = new Map<string, R>()
  for (let at = 0; at < ids.length; at += A_TIME)
    for (const row of await read(ids.slice(at, at + A_TIME))) found.set(row.id, row)
  return found
}
