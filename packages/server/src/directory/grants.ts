import { AppError, isId, newId, ROOT_RESOURCE } from '@valetkey/sdk/core'
import { beginChange, type Db, type Tx } from '../store/index.ts'
import { getAgentRow } from './agents.ts'
import type { Context } from './context.ts'
import { futureTime } from './expiry.ts'
import { grantFact, type Row } from './fact-of.ts'
import { byWhom, type InputOf, lock, type OutputOf, recordBy, timeOf } from './operation.ts'
import { readPage } from './page.ts'
import { getOrganization, getPrincipal, quote } from './reference.ts'
import { getResource, readRefs } from './resource-tree.ts'

type Grant = OutputOf<'grants', 'create'>

function grants(db: Db) {
  return db
    .selectFrom('grant')
    .innerJoin('principal as agent', 'agent.id', 'grant.agentId')
    .innerJoin('principal as person', 'person.id', 'grant.personId')
    .selectAll('grant')
    .select(['agent.name as agentName', 'person.externalId as personEmail'])
}

type GrantRow = Awaited<ReturnType<ReturnType<typeof grants>['executeTakeFirstOrThrow']>>

/** A resource that is no longer there is not named. */
function toGrant(row: GrantRow, refs: ReadonlyMap<number, string>, now: number): Grant {
  const { id, organizationId, agentId, agentName, personId, personEmail } = row
  const resources = numbersOf(row).flatMap(seq => refs.get(seq) ?? [])
  return {
    ...{ id, organization: organizationId, agent: agentId, agentName, person: personId, personEmail },
    scopes: JSON.parse(row.scopes) as string[],
    resources,
    createdAt: row.createdAt,
    createdBy: row.createdBy,
    expiresAt: row.expiresAt,
    status: row.revokedAt !== null ? 'revoked' : isOver(row, now) ? 'expired' : 'live',
  }
}

function isOver({ expiresAt }: Pick<GrantRow, 'expiresAt'>, now: number): boolean {
  return expiresAt !== null && Date.parse(expiresAt) <= now
}

function numbersOf({ resources }: Pick<GrantRow, 'resources'>): number[] {
  return JSON.parse(resources) as number[]
}

async function read(ctx: Context, db: Db, id: string): Promise<Grant> {
  const row = await grants(db).where('grant.id', '=', id).executeTakeFirstOrThrow()
  return toGrant(row, await readRefs(db, row.organizationId, numbersOf(row)), ctx.now())
}

export async function listGrants(
  ctx: Context,
  input: InputOf<'grants', 'list'>,
): Promise<OutputOf<'grants', 'list'>> {
  const { db } = ctx.store
  const organization = await getOrganization(db, input.organization)
  const agent = input.agent ? await getAgent(db, organization, input.agent) : undefined
  const person = input.person ? await getPerson(db, organization, input.person) : undefined
  const find = (after: string, limit: number) => {
    let query = grants(db).where('grant.organizationId', '=', organization.id).where('grant.id', '>', after)
    if (agent) query = query.where('grant.agentId', '=', agent.id)
    if (person) query = query.where('grant.personId', '=', person.id)
    return query.orderBy('grant.id').limit(limit).execute()
  }
  const list = `grants:${organization.id}:${agent?.id}:${person?.id}`
  const page = await readPage(ctx, list, input, find, row => row)
  const refs = await readRefs(db, organization.id, [...new Set(page.items.flatMap(numbersOf))])
  return { items: page.items.map(row => toGrant(row, refs, ctx.now())), next: page.next }
}

/**
 * Lets an agent act for a person, within scopes and resources: an upper bound beside what both may do themselves. It
 * comes from an administrator, or from the person's own consent.
 */
export async function createGrant(
  ctx: Context,
  input: InputOf<'grants', 'create'>,
  source: Row<'grant'>['source'] = 'administrator',
): Promise<Grant> {
  const organization = await getOrganization(ctx.store.db, input.organization)
  const expiresAt = futureTime(ctx, 'The grant', input.expiresAt)
  return ctx.store.write(async tx => {
    await lock(tx, organization.id)
    const agent = await getAgentRow(tx, (await getAgent(tx, organization, input.agent)).id)
    const person = await getPerson(tx, organization, input.person)
    refuseUnable(agent, person)
    const resources = await readNumbers(tx, organization, input.resources)
    const change = await beginChange(tx, organization.id, byWhom(ctx))
    const row: Row<'grant'> = {
      ...{ id: newId('grant', ctx.now()), organizationId: organization.id },
      ...{ agentId: agent.id, personId: person.id },
      scopes: JSON.stringify([...new Set(input.scopes)].sort()),
      resources: JSON.stringify(resources),
      ...{ createdAt: timeOf(ctx), expiresAt, revokedAt: null },
      ...{ source, createdBy: ctx.actor.id },
    }
    await tx.insertInto('grant').values(row).execute()
    await change.log({ fact: 'grant', id: row.id, value: grantFact(row) })
    const grant = await read(ctx, tx, row.id)
    await recordGrant(ctx, tx, 'grant.created', grant)
    return grant
  })
}

/** Ends a grant: whatever the agent does for the person is refused from the next revision on. */
export async function revokeGrant(ctx: Context, input: InputOf<'grants', 'revoke'>): Promise<Grant> {
  const { organizationId } = await locate(ctx.store.db, input)
  return ctx.store.write(async tx => {
    await lock(tx, organizationId)
    const before = await locate(tx, input)
    if (before.revokedAt !== null) return read(ctx, tx, before.id)
    const change = await beginChange(tx, organizationId, byWhom(ctx))
    await tx
      .updateTable('grant')
      .set({ revokedAt: timeOf(ctx) })
      .where('id', '=', before.id)
      .execute()
    await change.log({ fact: 'grant', id: before.id, value: null })
    const grant = await read(ctx, tx, before.id)
    await recordGrant(ctx, tx, 'grant.revoked', grant)
    return grant
  })
}

async function locate(
  db: Db,
  input: { id: string; organization?: string | undefined },
): Promise<Row<'grant'>> {
  const organization =
    input.organization === undefined ? undefined : await getOrganization(db, input.organization)
  const found = isId(input.id, 'grant')
    ? await db.selectFrom('grant').selectAll().where('id', '=', input.id).executeTakeFirst()
    : undefined
  if (!found || (organization && found.organizationId !== organization.id))
    throw new AppError('not_found', `No grant ${quote(input.id)}.`)
  return found
}

function getAgent(db: Db, organization: Row<'organization'>, ref: string): Promise<Row<'principal'>> {
  return getPrincipal(db, organization, 'agent', ref.replace(/^agent:/, ''))
}

function getPerson(db: Db, organization: Row<'organization'>, ref: string): Promise<Row<'principal'>> {
  return getPrincipal(db, organization, 'user', ref.replace(/^user:/, ''))
}

function refuseUnable(agent: Awaited<ReturnType<typeof getAgentRow>>, person: Row<'principal'>): void {
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

/** The whole organization where none is named. */
async function readNumbers(
  db: Db,
  organization: Row<'organization'>,
  refs: readonly string[],
): Promise<number[]> {
  const numbers = new Set<number>()
  for (const ref of refs) numbers.add((await getResource(db, organization, ref)).seq)
  return numbers.size === 0 ? [ROOT_RESOURCE] : [...numbers].sort((a, b) => a - b)
}

function recordGrant(ctx: Context, tx: Tx, type: string, grant: Grant): Promise<void> {
  const { organization, id, agent, person, scopes, resources, expiresAt } = grant
  const detail = { agent, person, scopes, resources, expiresAt }
  return recordBy(ctx, tx, { organization, type, target: id, detail })
}
