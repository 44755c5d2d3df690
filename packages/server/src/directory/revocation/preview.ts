import { CATALOGUE } from '@valetkey/sdk/core'
import type { Db } from '../../store/index.ts'
import type { Context } from '../context.ts'
import { locateDelegation } from '../delegation/index.ts'
import { locateGrant } from '../grants/grant-row.ts'
import type { InputOf, OutputOf } from '../operation.ts'
import { getOrganization, getServer, locatePrincipal } from '../reference.ts'
import { locateTool } from './locate-tool.ts'
import { locateCredential } from './revoke.ts'

type Input = InputOf<'revocations', 'preview'>
type Preview = OutputOf<'revocations', 'preview'>
/** What would end or be refused. */
type Radius = Omit<Preview, 'kind' | 'id' | 'points'>

const NOTHING: Radius = { agents: [], credentials: 0, grants: 0, delegations: 0, tools: 0, people: 0 }

/** Says what taking something back would touch, before anybody does it. */
export async function previewRevocation(ctx: Context, input: Input): Promise<Preview> {
  const { db } = ctx.store
  const { id, ...radius } = await RADIUS[input.kind](db, input)
  const { count } = await db
    .selectFrom('enforcementPoint')
    .select(eb => eb.fn.countAll<number>().as('count'))
    .where('leaseUntil', '>', await ctx.store.clock(db))
    .executeTakeFirstOrThrow()
  return { kind: input.kind, id, ...radius, points: Number(count) }
}

const RADIUS: Record<Input['kind'], (db: Db, input: Input) => Promise<Radius & { id: string }>> = {
  async agent(db, { id: ref, organization }) {
    const { id, name } = await locatePrincipal(db, 'agent', ref, organization)
    const [credentials, grants] = [
      await liveOf(db, 'credential', 'agentId', id),
      await liveOf(db, 'grant', 'agentId', id),
    ]
    const below = await linksBelow(db, 'agentId', id)
    return {
      ...NOTHING,
      id,
      credentials,
      grants,
      delegations: below.count,
      agents: [name, ...below.agents.filter(one => one !== name)],
    }
  },
  async credential(db, { id, organization }) {
    const credential = await locateCredential(db, { id, organization })
    const below = await linksBelow(db, 'credentialId', credential.id)
    const own = await nameOf(db, credential.agentId)
    return {
      ...NOTHING,
      id,
      credentials: 1,
      delegations: below.count,
      agents: [...new Set([own, ...below.agents])],
    }
  },
  token: async (_, { id }) => ({ ...NOTHING, id }),
  async grant(db, { id, organization }) {
    const grant = await locateGrant(db, { id, organization })
    const below = await linksBelow(db, 'grantId', grant.id)
    const own = await nameOf(db, grant.agentId)
    return {
      ...NOTHING,
      id,
      grants: 1,
      delegations: below.count,
      agents: [...new Set([own, ...below.agents])],
    }
  },
  async delegation(db, { id, organization }) {
    const link = await locateDelegation(db, { id, organization })
    const below = await linksBelow(db, 'id', link.id)
    return { ...NOTHING, id, delegations: below.count, agents: below.agents }
  },
  async person(db, { id: ref, organization }) {
    const { id } = await locatePrincipal(db, 'user', ref, organization)
    const owned = await db
      .selectFrom('agent')
      .innerJoin('principal', 'principal.id', 'agent.id')
      .select('principal.name')
      .where('agent.ownerId', '=', id)
      .where('principal.status', '=', 'active')
      .orderBy('principal.name')
      .execute()
    const grants = await liveOf(db, 'grant', 'personId', id)
    return { ...NOTHING, id, people: 1, grants, agents: owned.map(({ name }) => name) }
  },
  async server(db, { id: ref }) {
    const { id } = await getServer(db, ref)
    const { count } = await db
      .selectFrom('tool')
      .select(eb => eb.fn.countAll<number>().as('count'))
      .where('serverId', '=', id)
      .executeTakeFirstOrThrow()
    return { ...NOTHING, id, tools: Number(count) }
  },
  async tool(db, { id: ref }) {
    const { id } = await locateTool(db, ref)
    return { ...NOTHING, id, tools: 1 }
  },
  async organization(db, { id: ref }) {
    const { id } = await getOrganization(db, ref)
    return { ...NOTHING, id, ...(await peopleOf(db, id)) }
  },
  signing_key: async (_, { id }) => ({ ...NOTHING, id }),
}

async function liveOf(
  db: Db,
  table: 'credential' | 'grant',
  column: 'agentId' | 'personId',
  id: string,
): Promise<number> {
  const { count } = await db
    .selectFrom(table)
    .select(eb => eb.fn.countAll<number>().as('count'))
    .where(column as 'agentId', '=', id)
    .where('revokedAt', 'is', null)
    .executeTakeFirstOrThrow()
  return Number(count)
}

/** The links that would end, with all that rest on them, and the agents that act by any of these. */
async function linksBelow(
  db: Db,
  column: 'id' | 'agentId' | 'credentialId' | 'grantId',
  value: string,
): Promise<{ count: number; agents: string[] }> {
  let query = db
    .selectFrom('delegation as above')
    .innerJoin('delegationPath as path', 'path.ancestorId', 'above.id')
    .innerJoin('delegation as link', 'link.id', 'path.delegationId')
    .innerJoin('principal', 'principal.id', 'link.delegateId')
    .select(['link.id', 'principal.name'])
    .distinct()
    .where('link.endedAt', 'is', null)
    .where('link.activatedAt', 'is not', null)
  query =
    column === 'agentId'
      ? query.where(eb => eb.or([eb('above.delegatorId', '=', value), eb('above.delegateId', '=', value)]))
      : query.where(`above.${column}`, '=', value)
  const rows = await query.execute()
  return { count: rows.length, agents: [...new Set(rows.map(({ name }) => name))].sort() }
}

async function nameOf(db: Db, id: string): Promise<string> {
  const { name } = await db
    .selectFrom('principal')
    .select('name')
    .where('id', '=', id)
    .executeTakeFirstOrThrow()
  return name
}

async function peopleOf(db: Db, organization: string): Promise<Pick<Radius, 'agents' | 'people'>> {
  const rows = await db
    .selectFrom('principal')
    .select(['kind', 'name'])
    .where('organizationId', '=', organization === CATALOGUE ? '' : organization)
    .where('status', '=', 'active')
    .where('kind', 'in', ['user', 'agent'])
    .orderBy('name')
    .execute()
  const of = (kind: string) => rows.filter(row => row.kind === kind).map(({ name }) => name)
  return { agents: of('agent'), people: of('user').length }
}
