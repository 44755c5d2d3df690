import { AppError, type AuthorizationDetail, isoTime, newId, ROOT_RESOURCE } from '@valetkey/sdk/core'
import { sql } from 'kysely'
import { beginChange, type Db, type Tx } from '../../store/index.ts'
import type { Context } from '../context.ts'
import { futureTime } from '../expiry.ts'
import { grantFact, type Row } from '../fact-of.ts'
import { byWhom, type InputOf, lock, type OutputOf, timeOf } from '../operation.ts'
import { readPage } from '../page.ts'
import { getAgentRow } from '../principals/agents.ts'
import { getOrganization, getPrincipal, quote } from '../reference.ts'
import { getResource } from '../resources/resource-tree.ts'
import { type Grant, grants, locateGrant, readGrant, recordGrant, toGrants } from './grant-row.ts'

/** Lists grants; `used`, `createdBefore` and `idleSince` find those that nobody would miss. */
export async function listGrants(
  ctx: Context,
  input: InputOf<'grants', 'list'>,
): Promise<OutputOf<'grants', 'list'>> {
  const { db } = ctx.store
  const organization = await getOrganization(db, input.organization)
  const agent = input.agent ? await getAgent(db, organization, input.agent) : undefined
  const person = input.person ? await getPerson(db, organization, input.person) : undefined
  const matching = matchingGrants(db, { ...input, agent: agent?.id, person: person?.id }, timeOf(ctx))
  const find = (after: string, limit: number) =>
    matching
      .where('grant.organizationId', '=', organization.id)
      .where('grant.id', '>', after)
      .orderBy('grant.id')
      .limit(limit)
      .execute()
  const { limit: _, cursor: __, ...filter } = { ...input, agent: agent?.id, person: person?.id }
  const list = `grants:${organization.id}:${JSON.stringify(Object.entries(filter).sort())}`
  const page = await readPage(ctx, list, input, find, row => row)
  return { items: await toGrants(ctx, db, organization.id, page.items), next: page.next }
}

function matchingGrants(db: Db, filter: Partial<InputOf<'grants', 'list'>>, now: string) {
  const { agent, person, scope, status, used, createdBefore, idleSince } = filter
  let query = grants(db)
  if (agent) query = query.where('grant.agentId', '=', agent)
  if (person) query = query.where('grant.personId', '=', person)
  if (scope) {
    const family = scope.replace(/:.*/, ':*')
    const names = (column: 'grant.scopes' | 'grant.elevated', name: string) =>
      sql<boolean>`${sql.ref(column)} like ${`%"${name.replaceAll('_', '\\_')}"%`} escape '\\'`
    query = query.where(eb =>
      eb.or([names('grant.scopes', scope), names('grant.scopes', family), names('grant.elevated', scope)]),
    )
  }
  if (status === 'revoked') query = query.where('grant.revokedAt', 'is not', null)
  else if (status !== undefined) query = query.where('grant.revokedAt', 'is', null)
  if (status === 'live')
    query = query.where(eb => eb.or([eb('grant.expiresAt', 'is', null), eb('grant.expiresAt', '>', now)]))
  if (status === 'expired') query = query.where('grant.expiresAt', '<=', now)
  if (used) query = query.where('grant.lastUsedAt', used === 'never' ? 'is' : 'is not', null)
  if (createdBefore) query = query.where('grant.createdAt', '<', isoTime(Date.parse(createdBefore)))
  if (idleSince)
    query = query.where(eb =>
      eb.or([
        eb('grant.lastUsedAt', 'is', null),
        eb('grant.lastUsedAt', '<', isoTime(Date.parse(idleSince))),
      ]),
    )
  return query
}

export async function showGrant(ctx: Context, input: InputOf<'grants', 'get'>): Promise<Grant> {
  const { id } = await locateGrant(ctx.store.db, input)
  return readGrant(ctx, ctx.store.db, id)
}

/**
 * Lets an agent act for a person, by decision of an administrator, within scopes and resources: an upper bound beside
 * what both may do themselves. What the person agrees to is another grant (`agree`).
 */
export async function createGrant(ctx: Context, input: InputOf<'grants', 'create'>): Promise<Grant> {
  const organization = await getOrganization(ctx.store.db, input.organization)
  const expiresAt = futureTime(ctx, 'The grant', input.expiresAt)
  return ctx.store.write(async tx => {
    await lock(tx, organization.id)
    const agent = await getAgent(tx, organization, input.agent)
    const person = await getPerson(tx, organization, input.person)
    const { scopes } = input
    const resources = await readNumbers(tx, organization, input.resources)
    return insertGrant(ctx, tx, { agent, person, scopes, resources, expiresAt })
  })
}

/** What a new grant is to say. */
export interface Terms {
  agent: Row<'principal'>
  person: Row<'principal'>
  scopes: readonly string[]
  elevated?: Record<string, number>
  resources: readonly number[]
  server?: string
  details?: readonly AuthorizationDetail[] | undefined
  expiresAt: string | null
  lends?: boolean
  source?: Row<'grant'>['source']
}

export async function insertGrant(ctx: Context, tx: Tx, terms: Terms): Promise<Grant> {
  const { person, scopes, resources, expiresAt, source = 'administrator' } = terms
  const agent = await getAgentRow(tx, terms.agent.id)
  refuseUnable(agent, person)
  const change = await beginChange(tx, person.organizationId, byWhom(ctx))
  const row: Row<'grant'> = {
    ...{ id: newId('grant', ctx.now()), organizationId: person.organizationId },
    ...{ agentId: agent.id, personId: person.id, serverId: terms.server ?? null },
    scopes: JSON.stringify([...new Set(scopes)].sort()),
    elevated: JSON.stringify(terms.elevated ?? {}),
    resources: JSON.stringify(resources),
    details: terms.details ? JSON.stringify(terms.details) : null,
    ...{ createdAt: timeOf(ctx), expiresAt, revokedAt: null, lastUsedAt: null, frozenAt: null },
    ...{ source, lends: terms.lends ? 1 : 0, createdBy: ctx.actor.id },
  }
  await tx.insertInto('grant').values(row).execute()
  await change.log({ fact: 'grant', id: row.id, value: grantFact(row) })
  const grant = await readGrant(ctx, tx, row.id)
  await recordGrant(ctx, tx, 'grant.created', grant)
  return grant
}

/** Ends a grant, and with it the roles that its agent was lent for it: from the next revision on all is refused. */
export async function revokeGrant(
  ctx: Context,
  input: { id: string; organization?: string | undefined; reason?: string },
): Promise<Grant> {
  const { organizationId } = await locateGrant(ctx.store.db, input)
  return ctx.store.write(async tx => {
    await lock(tx, organizationId)
    const before = await locateGrant(tx, input)
    if (before.revokedAt === null) await end(ctx, tx, before, input.reason ?? '')
    return readGrant(ctx, tx, before.id)
  })
}

/** Ends every grant of an agent, of a person, or of the one for the other, in one revision. */
export async function revokeGrants(
  ctx: Context,
  input: InputOf<'grants', 'revokeAll'>,
): Promise<OutputOf<'grants', 'revokeAll'>> {
  if (input.agent === undefined && input.person === undefined)
    throw new AppError('request.invalid', 'Name an agent, a person, or both.', { path: 'agent' })
  const organization = await getOrganization(ctx.store.db, input.organization)
  return ctx.store.write(async tx => {
    await lock(tx, organization.id)
    const agent = input.agent && (await getAgent(tx, organization, input.agent))
    const person = input.person && (await getPerson(tx, organization, input.person))
    let query = tx
      .selectFrom('grant')
      .selectAll()
      .where('organizationId', '=', organization.id)
      .where('revokedAt', 'is', null)
    if (agent) query = query.where('agentId', '=', agent.id)
    if (person) query = query.where('personId', '=', person.id)
    const rows = await query.orderBy('id').execute()
    for (const row of rows) await end(ctx, tx, row, input.reason)
    return { revoked: rows.map(({ id }) => id) }
  })
}

async function end(
  ctx: Context,
  tx: Tx,
  { id, organizationId }: Row<'grant'>,
  reason: string,
): Promise<void> {
  const change = await beginChange(tx, organizationId, byWhom(ctx))
  await tx
    .updateTable('grant')
    .set({ revokedAt: timeOf(ctx) })
    .where('id', '=', id)
    .execute()
  await change.log({ fact: 'grant', id, value: null })
  const lent = await tx
    .deleteFrom('assignment')
    .where('organizationId', '=', organizationId)
    .where('source', '=', 'approval')
    .where('sourceId', '=', id)
    .returning('id')
    .execute()
  for (const assignment of lent) await change.log({ fact: 'assignment', id: assignment.id, value: null })
  await recordGrant(ctx, tx, 'grant.revoked', await readGrant(ctx, tx, id), {
    reason,
    ...(lent.length > 0 && { lent: lent.map(assignment => assignment.id).join(' ') }),
  })
}

export function getAgent(db: Db, organization: Row<'organization'>, ref: string): Promise<Row<'principal'>> {
  return getPrincipal(db, organization, 'agent', ref.replace(/^agent:/, ''))
}

export function getPerson(db: Db, organization: Row<'organization'>, ref: string): Promise<Row<'principal'>> {
  return getPrincipal(db, organization, 'user', ref.replace(/^user:/, ''))
}

export function refuseUnable(agent: Awaited<ReturnType<typeof getAgentRow>>, person: Row<'principal'>): void {
  if (agent.kind === 'autonomous')
    throw new AppError(
      'conflict.state',
      `Agent ${quote(agent.name)} acts for itself only. Make its kind "user_authorized" or "both" first.`,
      { path: 'agent' },
    )
  if (agent.status === 'retired')
    throw new AppError('conflict.state', `Agent ${quote(agent.name)} is retired, which is final.`, {
      path: 'agent',
    })
  if (person.status !== 'active')
    throw new AppError('conflict.state', `${quote(person.externalId)} is ${person.status}.`, {
      path: 'person',
    })
}

/** The numbers of resources by reference; the whole organization where none is named. */
export async function readNumbers(
  db: Db,
  organization: Row<'organization'>,
  refs: readonly string[],
): Promise<number[]> {
  const numbers = new Set<number>()
  for (const ref of refs) numbers.add((await getResource(db, organization, ref)).seq)
  return numbers.size === 0 ? [ROOT_RESOURCE] : [...numbers].sort((a, b) => a - b)
}
