import { intersectScopes, ROOT_RESOURCE } from '@valetkey/sdk/core'
import type { Db } from '../../store/index.ts'
import type { Context } from '../context.ts'
import type { Row } from '../fact-of.ts'
import { quote } from '../reference.ts'
import { readPaths } from './links.ts'
import { refuse } from './refuse.ts'
import type { DelegationWish } from './wish.ts'

/** What a new link rests on, and so never exceeds. */
export interface Basis {
  /** The links before it, from the root on. */
  path: readonly string[]
  grant: string | null
  /** Everybody in the chain so far, its delegator included. */
  agents: readonly string[]
  scopes: readonly string[]
  resources: readonly number[]
  /** Milliseconds since 1970. */
  expiresBy: number
  /** How many links may still follow; null for the first of a chain. */
  hops: number | null
}

/** Reads what an agent may hand on: of a delegation to it, of a person's grant to it, or of what it may itself. */
export async function readBasis(
  ctx: Context,
  db: Db,
  organization: Row<'organization'>,
  wish: Pick<DelegationWish, 'agent' | 'parent' | 'grant'>,
): Promise<Basis> {
  const { kind, ceiling } = await db
    .selectFrom('agent')
    .select(['kind', 'ceiling'])
    .where('id', '=', wish.agent)
    .executeTakeFirstOrThrow()
  const own = JSON.parse(ceiling) as string[]
  if (wish.parent !== undefined) {
    if (wish.grant !== undefined) refuse('basis', 'Name a grant or a delegation, not both.')
    return narrowed(await ofParent(ctx, db, organization, wish.agent, wish.parent), own)
  }
  if (wish.grant !== undefined)
    return narrowed(await ofGrant(ctx, db, organization, wish.agent, wish.grant), own)
  if (kind === 'user_authorized')
    refuse('basis', 'This agent acts for people only: name the grant that the delegation rests on.')
  const whole = { resources: [ROOT_RESOURCE], expiresBy: Number.POSITIVE_INFINITY, hops: null }
  return { path: [], grant: null, agents: [wish.agent], scopes: own, ...whole }
}

function narrowed(basis: Basis, ceiling: readonly string[]): Basis {
  return { ...basis, scopes: intersectScopes(basis.scopes, ceiling) }
}

async function ofGrant(
  ctx: Context,
  db: Db,
  organization: Row<'organization'>,
  agent: string,
  id: string,
): Promise<Basis> {
  const grant = await db.selectFrom('grant').selectAll().where('id', '=', id).executeTakeFirst()
  if (!grant || grant.organizationId !== organization.id || grant.agentId !== agent)
    refuse('basis', `${quote(id)} is no grant to this agent.`)
  await requireGrant(ctx, db, grant)
  return {
    ...{ path: [], grant: grant.id, agents: [agent], hops: null },
    scopes: JSON.parse(grant.scopes) as string[],
    resources: JSON.parse(grant.resources) as number[],
    expiresBy: grant.expiresAt === null ? Number.POSITIVE_INFINITY : Date.parse(grant.expiresAt),
  }
}

async function requireGrant(ctx: Context, db: Db, grant: Row<'grant'>): Promise<void> {
  if (grant.revokedAt !== null || grant.frozenAt !== null) refuse('basis', 'The grant was taken back.')
  if (grant.expiresAt !== null && Date.parse(grant.expiresAt) <= ctx.now())
    refuse('basis', 'The grant has ended.')
  const person = await db
    .selectFrom('principal')
    .select('status')
    .where('id', '=', grant.personId)
    .executeTakeFirstOrThrow()
  if (person.status !== 'active') refuse('basis', 'The person behind the grant is not there.')
}

async function ofParent(
  ctx: Context,
  db: Db,
  organization: Row<'organization'>,
  agent: string,
  id: string,
): Promise<Basis> {
  const path = (await readPaths(db, [id])).get(id)
  if (!path) refuse('basis', `${quote(id)} is no delegation to this agent.`)
  const chain = await requireChain(ctx, db, path)
  const last = chain.at(-1)
  if (!last || last.organizationId !== organization.id || last.delegateId !== agent)
    refuse('basis', `${quote(id)} is no delegation to this agent.`)
  return {
    ...{ path, grant: last.grantId, hops: last.hops },
    agents: [...chain.map(link => link.delegatorId), agent],
    scopes: chain.map(link => JSON.parse(link.scopes) as string[]).reduce(intersectScopes),
    resources: JSON.parse(last.resources) as number[],
    expiresBy: Math.min(...chain.map(link => Date.parse(link.expiresAt))),
  }
}

/** The links of a path, from the root on, each live with all that it rests on; `offered` is one about to be taken up. */
export async function requireChain(
  ctx: Context,
  db: Db,
  path: readonly string[],
  offered?: string,
): Promise<readonly Row<'delegation'>[]> {
  if (path.length === 0) return []
  const rows = await db
    .selectFrom('delegation')
    .innerJoin('principal as delegator', 'delegator.id', 'delegation.delegatorId')
    .innerJoin('credential', 'credential.id', 'delegation.credentialId')
    .selectAll('delegation')
    .select(['delegator.status as delegatorStatus', 'credential.revokedAt as credentialRevokedAt'])
    .where('delegation.id', 'in', path)
    .execute()
  const chain = path.flatMap(id => rows.find(row => row.id === id) ?? [])
  const [root] = chain
  for (const link of chain) {
    const isTaken = link.activatedAt !== null || link.id === offered
    if (link.endedAt !== null || link.frozenAt !== null || !isTaken || link.credentialRevokedAt !== null)
      refuse('basis', 'A delegation that this rests on was taken back, or never taken up.')
    if (Date.parse(link.expiresAt) <= ctx.now()) refuse('basis', 'A delegation that this rests on has ended.')
    if (link.delegatorStatus !== 'active') refuse('basis', 'An agent that delegated is not active.')
  }
  if (root?.grantId) {
    const grant = await db
      .selectFrom('grant')
      .selectAll()
      .where('id', '=', root.grantId)
      .executeTakeFirstOrThrow()
    await requireGrant(ctx, db, grant)
  }
  return chain
}
