import { AppError, type JsonObject, newId } from '@valetkey/sdk/core'
import { beginChange, type Db, prepareQuery, send } from '../../store/index.ts'
import type { Context } from '../context.ts'
import { agentFact, principalFact, type Row } from '../fact-of.ts'
import { byWhom, type InputOf, lock, type OutputOf, recordBy, timeOf } from '../operation.ts'
import { readPage } from '../page.ts'
import { getOrganization, getPrincipal, locatePrincipal, quote } from '../reference.ts'
import { insertPrincipal } from './principals.ts'

type Agent = OutputOf<'agents', 'get'>

function agents(db: Db) {
  return db
    .selectFrom('agent')
    .innerJoin('principal', 'principal.id', 'agent.id')
    .innerJoin('principal as owner', 'owner.id', 'agent.ownerId')
    .select([
      'agent.id',
      'agent.organizationId',
      'agent.ownerId',
      'agent.purpose',
      'agent.kind',
      'agent.ceiling',
    ])
    .select(['agent.allOrNothing', 'agent.dpop'])
    .select([
      'principal.name',
      'principal.status',
      'principal.seq',
      'principal.createdAt',
      'owner.externalId as ownerEmail',
      'owner.status as ownerStatus',
    ])
}

type AgentRow = Awaited<ReturnType<typeof getAgentRow>>

const findById = prepareQuery((db, { id }: { id: string }) => agents(db).where('agent.id', '=', id))

/** An agent with its principal and owner, by id. */
export async function getAgentRow(db: Db, id: string) {
  const [row] = await findById(db, { id })
  if (!row) throw new Error(`unreachable: the agent ${id} was found and has no row`)
  return row
}

function toAgent(row: AgentRow): Agent {
  return {
    id: row.id,
    organization: row.organizationId,
    name: row.name,
    owner: row.ownerId,
    ownerEmail: row.ownerEmail,
    purpose: row.purpose,
    kind: row.kind,
    status: row.status,
    ceiling: JSON.parse(row.ceiling) as string[],
    allOrNothing: row.allOrNothing === 1,
    dpop: row.dpop === 1,
    createdAt: row.createdAt,
  }
}

export async function listAgents(
  ctx: Context,
  input: InputOf<'agents', 'list'>,
): Promise<OutputOf<'agents', 'list'>> {
  const organization = await getOrganization(ctx.store.db, input.organization)
  const read = (after: string, limit: number) =>
    agents(ctx.store.db)
      .where('agent.organizationId', '=', organization.id)
      .where('agent.id', '>', after)
      .orderBy('agent.id')
      .limit(limit)
      .execute()
  return readPage(ctx, `agents:${organization.id}`, input, read, toAgent)
}

export async function showAgent(ctx: Context, input: InputOf<'agents', 'get'>): Promise<Agent> {
  const { id } = await locatePrincipal(ctx.store.db, 'agent', input.id, input.organization)
  return toAgent(await getAgentRow(ctx.store.db, id))
}

/** Registers an agent: a principal of its own with an owner who answers for it, and the OAuth client it acts through. */
export async function createAgent(ctx: Context, input: InputOf<'agents', 'create'>): Promise<Agent> {
  const organization = await getOrganization(ctx.store.db, input.organization)
  const id = newId('agent', ctx.now())
  return ctx.store.write(async tx => {
    const change = await beginChange(tx, organization.id, byWhom(ctx))
    const owner = await getOwner(tx, organization, input.owner)
    const principal = await insertPrincipal(
      tx,
      ctx,
      { id, organizationId: organization.id, kind: 'agent', externalId: input.name, name: input.name },
      `There is an agent ${quote(input.name)} in ${organization.slug} already.`,
    )
    const row: Row<'agent'> = {
      id,
      organizationId: organization.id,
      ownerId: owner.id,
      purpose: input.purpose,
      kind: input.kind,
      ceiling: JSON.stringify(distinct(input.ceiling)),
      allOrNothing: Number(input.allOrNothing ?? false),
      dpop: Number(input.dpop ?? false),
    }
    await tx.insertInto('agent').values(row).execute()
    await tx
      .insertInto('client')
      .values({
        id,
        organizationId: organization.id,
        kind: 'pre-registered',
        agentId: id,
        legacyAudience: 0,
        createdAt: timeOf(ctx),
      })
      .execute()
    await change.log({ fact: 'principal', id, value: principalFact(principal) })
    await change.log({ fact: 'agent', id, value: agentFact(row) })
    await recordBy(ctx, tx, {
      organization: organization.id,
      type: 'agent.created',
      target: id,
      detail: { name: input.name, ...settings({ ...row, ownerEmail: owner.externalId }) },
    })
    return toAgent(await getAgentRow(tx, id))
  })
}

export async function updateAgent(ctx: Context, input: InputOf<'agents', 'update'>): Promise<Agent> {
  const { id, organizationId } = await locatePrincipal(ctx.store.db, 'agent', input.id, input.organization)
  const organization = await getOrganization(ctx.store.db, organizationId)
  return ctx.store.write(async tx => {
    await lock(tx, organizationId)
    const before = await getAgentRow(tx, id)
    const owner = input.owner === undefined ? undefined : await getOwner(tx, organization, input.owner)
    const update = {
      ownerId: owner?.id ?? before.ownerId,
      purpose: input.purpose ?? before.purpose,
      kind: input.kind ?? before.kind,
      ceiling: input.ceiling ? JSON.stringify(distinct(input.ceiling)) : before.ceiling,
      allOrNothing: Number(input.allOrNothing ?? before.allOrNothing),
      dpop: Number(input.dpop ?? before.dpop),
    }
    if (Object.entries(update).every(([key, value]) => before[key as keyof typeof update] === value))
      return toAgent(before)
    const change = await beginChange(tx, organizationId, byWhom(ctx))
    await tx.updateTable('agent').set(update).where('id', '=', id).execute()
    const after = await getAgentRow(tx, id)
    await change.log({ fact: 'agent', id, value: agentFact(after) })
    await recordBy(ctx, tx, {
      organization: organizationId,
      type: 'agent.updated',
      target: id,
      detail: { before: settings(before), after: settings(after) },
    })
    return toAgent(after)
  })
}

/** Stops an agent at once: every call is refused from the next revision on. */
export function suspendAgent(ctx: Context, input: InputOf<'agents', 'suspend'>): Promise<Agent> {
  return setStatus(ctx, input, 'suspended')
}

/** Lets a suspended agent act again. Credentials that were revoked stay revoked. */
export function resumeAgent(ctx: Context, input: InputOf<'agents', 'resume'>): Promise<Agent> {
  return setStatus(ctx, input, 'active')
}

async function setStatus(
  ctx: Context,
  input: InputOf<'agents', 'suspend'>,
  status: 'active' | 'suspended',
): Promise<Agent> {
  const { id, organizationId } = await locatePrincipal(ctx.store.db, 'agent', input.id, input.organization)
  return ctx.store.write(async tx => {
    await lock(tx, organizationId)
    const before = await getAgentRow(tx, id)
    if (before.status === status) return toAgent(before)
    refuseTransition(before, status)
    const change = await beginChange(tx, organizationId, byWhom(ctx))
    await send(tx, setPrincipalStatus(tx, { id, status }))
    const after = { ...before, status }
    await change.log({ fact: 'principal', id, value: principalFact({ ...after, kind: 'agent' }) })
    await recordBy(ctx, tx, {
      organization: organizationId,
      type: status === 'active' ? 'agent.resumed' : 'agent.suspended',
      target: id,
      detail: { before: before.status, after: status, reason: input.reason },
    })
    return toAgent(after)
  })
}

const setPrincipalStatus = prepareQuery((db, of: { id: string; status: Row<'principal'>['status'] }) =>
  db.updateTable('principal').set({ status: of.status }).where('id', '=', of.id),
)

function refuseTransition(agent: AgentRow, to: 'active' | 'suspended'): void {
  if (agent.status === 'retired')
    throw new AppError('conflict.state', `Agent ${quote(agent.name)} is retired, which is final.`)
  if (to === 'active' && agent.ownerStatus !== 'active')
    throw new AppError(
      'conflict.state',
      `The owner of ${quote(agent.name)}, ${agent.ownerEmail}, is ${agent.ownerStatus}. Name another owner first.`,
    )
}

async function getOwner(db: Db, organization: Row<'organization'>, ref: string): Promise<Row<'principal'>> {
  const owner = await getPrincipal(db, organization, 'user', ref).catch(cause => {
    if (!(cause instanceof AppError)) throw cause
    throw new AppError(
      'request.invalid',
      `The owner must be a person of ${organization.slug}: ${cause.message}`,
      {
        cause,
        path: 'owner',
      },
    )
  })
  if (owner.status !== 'active')
    throw new AppError('request.invalid', `${owner.externalId} is ${owner.status} and cannot own an agent.`, {
      path: 'owner',
    })
  return owner
}

function distinct(scopes: readonly string[]): string[] {
  return [...new Set(scopes)].sort()
}

/** What an audit event says of an agent. */
function settings(
  row: Pick<Row<'agent'>, 'ownerId' | 'purpose' | 'kind' | 'ceiling' | 'allOrNothing' | 'dpop'> & {
    ownerEmail: string
  },
): JsonObject {
  const { ownerId, ownerEmail, purpose, kind, ceiling, allOrNothing, dpop } = row
  const parsed = JSON.parse(ceiling) as string[]
  return {
    ...{ owner: ownerId, ownerEmail, purpose, kind, ceiling: parsed },
    ...{ allOrNothing: allOrNothing === 1, dpop: dpop === 1 },
  }
}
