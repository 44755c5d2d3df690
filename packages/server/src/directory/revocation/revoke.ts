import { AppError, CATALOGUE, isId } from '@valetkey/sdk/core'
import { beginChange, type Db } from '../../store/index.ts'
import type { Context } from '../context.ts'
import { endLinks, locateDelegation, revokeDelegation } from '../delegation/index.ts'
import { principalFact, type Row, serverFact } from '../fact-of.ts'
import { locateGrant } from '../grants/grant-row.ts'
import { revokeGrant, revokeGrants } from '../grants/grants.ts'
import { byWhom, type InputOf, type OutputOf, recordBy, timeOf } from '../operation.ts'
import { retireOrganization } from '../organizations/organizations.ts'
import { getAgentRow } from '../principals/agents.ts'
import { updatePerson } from '../principals/people.ts'
import { getOrganization, getPrincipal, getServer, locatePrincipal, quote } from '../reference.ts'
import { logForwardsOf } from '../servers/forwards.ts'
import { unmapTool } from '../servers/tools.ts'
import { asOne, type Done, inCatalogue } from './done.ts'
import { locateTool } from './locate-tool.ts'
import { denyToken, requireTokenId } from './token.ts'
import { cancelWaiting } from './waiting.ts'

type Input = InputOf<'revocations', 'create'>
type Revocation = OutputOf<'revocations', 'create'>
type Kind = Input['kind']

/**
 * Waits until every enforcement point has applied a revision of an organization or its lease has ended, for so many
 * milliseconds at most.
 */
export type WaitForPoints = (
  organization: string,
  revision: number,
  waitMs: number,
) => Promise<NonNullable<Revocation['barrier']>>

/** What other modules keep and take back themselves. */
export type RevokeElsewhere = Record<'signing_key', (ctx: Context, input: Input) => Promise<Done>>

/**
 * Takes something back for good. Taking back what is taken back already changes nothing, and still waits for the
 * enforcement points: whoever asks wants to know that it holds.
 */
export async function createRevocation(
  ctx: Context,
  input: Input,
  waitForPoints: WaitForPoints,
  elsewhere: RevokeElsewhere,
): Promise<Revocation> {
  const done = await { ...REVOKE, ...elsewhere }[input.kind](ctx, input)
  const barrier =
    input.waitMs > 0 ? await waitForPoints(done.organization, done.revision, input.waitMs) : null
  return { kind: input.kind, ...done, barrier }
}

const REVOKE: Record<Exclude<Kind, keyof RevokeElsewhere>, (ctx: Context, input: Input) => Promise<Done>> = {
  agent: revokeAgent,
  credential: revokeCredential,
  async token(ctx, { id, organization, reason }) {
    requireTokenId(id)
    return denyToken(ctx, { id, organization, reason })
  },
  async grant(ctx, { id, organization, reason }) {
    const grant = await locateGrant(ctx.store.db, { id, organization })
    return asOne(ctx, { id, organization: grant.organizationId }, ctx => revokeGrant(ctx, { id, reason }))
  },
  async delegation(ctx, { id, organization, reason }) {
    const link = await locateDelegation(ctx.store.db, { id, organization })
    return asOne(ctx, { id, organization: link.organizationId }, ctx => revokeDelegation(ctx, { id, reason }))
  },
  person: revokePerson,
  server: revokeServer,
  async tool(ctx, { id: ref, reason }) {
    const { id, serverId: server } = await locateTool(ctx.store.db, ref)
    return asOne(ctx, inCatalogue(id), ctx => unmapTool(ctx, { server, id, reason }))
  },
  async organization(ctx, { id: ref, reason }) {
    const { id } = await getOrganization(ctx.store.db, ref)
    return asOne(ctx, { id, organization: id }, ctx => retireOrganization(ctx, { id, reason }))
  },
}

/** All of an agent's credentials, what people and agents let it do, what it let others do and has asked for, and the agent itself. */
async function revokeAgent(ctx: Context, input: Input): Promise<Done> {
  const { id, organizationId } = await locatePrincipal(ctx.store.db, 'agent', input.id, input.organization)
  const organization = await getOrganization(ctx.store.db, organizationId)
  return asOne(ctx, { id, organization: organizationId }, async (ctx, tx) => {
    const before = await getAgentRow(tx, id)
    const stops = before.status === 'active' || before.status === 'pending'
    const held = await tx
      .updateTable('credential')
      .set({ revokedAt: timeOf(ctx) })
      .where('agentId', '=', id)
      .where('revokedAt', 'is', null)
      .returning('id')
      .execute()
    const { revoked: grants } = await revokeGrants(ctx, {
      ...{ organization: organizationId, agent: id, reason: input.reason },
    })
    const delegations = await endLinks(ctx, tx, { organizationId, agentId: id })
    const requests = await cancelWaiting(tx, { agent: id })
    if (!stops && held.length + grants.length + delegations + requests === 0) return
    const change = await beginChange(tx, organizationId, byWhom(ctx))
    if (stops) {
      await tx.updateTable('principal').set({ status: 'suspended' }).where('id', '=', id).execute()
      const principal = await getPrincipal(tx, organization, 'agent', id)
      await change.log({ fact: 'principal', id, value: principalFact(principal) })
    }
    const credentials = held.map(credential => credential.id).sort()
    await change.logAll(credentials.map(id => ({ fact: 'credential', id, value: null })))
    await recordBy(ctx, tx, {
      organization: organizationId,
      type: 'agent.revoked',
      target: id,
      detail: {
        before: before.status,
        after: stops ? 'suspended' : before.status,
        ...{ credentials, grants, delegations, requests, reason: input.reason },
      },
    })
  })
}

/** With a credential go the tokens that it got, and the delegations that were made by it. */
async function revokeCredential(ctx: Context, input: Input): Promise<Done> {
  const { id, organizationId } = await locateCredential(ctx.store.db, input)
  return asOne(ctx, { id, organization: organizationId }, async (ctx, tx) => {
    const before = await locateCredential(tx, input)
    if (before.revokedAt !== null) return
    const change = await beginChange(tx, organizationId, byWhom(ctx))
    await tx
      .updateTable('credential')
      .set({ revokedAt: timeOf(ctx) })
      .where('id', '=', before.id)
      .execute()
    await change.log({ fact: 'credential', id: before.id, value: null })
    await recordBy(ctx, tx, {
      organization: organizationId,
      type: 'credential.revoked',
      target: before.id,
      detail: { agent: before.agentId, label: before.label, reason: input.reason },
    })
  })
}

export async function locateCredential(
  db: Db,
  input: { id: string; organization?: string | undefined },
): Promise<Row<'credential'>> {
  const organization =
    input.organization === undefined ? undefined : await getOrganization(db, input.organization)
  const found = isId(input.id, 'credential')
    ? await db.selectFrom('credential').selectAll().where('id', '=', input.id).executeTakeFirst()
    : undefined
  if (!found || (organization && found.organizationId !== organization.id))
    throw new AppError('not_found', `No credential ${quote(input.id)}.`)
  return found
}

/** Suspends a person, whose agents are then refused, and ends all that the person let agents do or was asked for. */
async function revokePerson(ctx: Context, input: Input): Promise<Done> {
  const { id, organizationId } = await locatePrincipal(ctx.store.db, 'user', input.id, input.organization)
  return asOne(ctx, { id, organization: organizationId }, async (ctx, tx) => {
    const organization = organizationId
    await cancelWaiting(tx, { person: id })
    await revokeGrants(ctx, { organization, person: id, reason: input.reason })
    await updatePerson(ctx, { organization, id, status: 'suspended', reason: input.reason })
  })
}

/** Retires a server: every call is refused, no token is issued for it, and its keys open nothing. */
async function revokeServer(ctx: Context, { id: ref, reason }: Input): Promise<Done> {
  const { id } = await getServer(ctx.store.db, ref)
  return asOne(ctx, inCatalogue(id), async (ctx, tx) => {
    const before = await getServer(tx, id)
    if (before.status === 'retired') return
    const change = await beginChange(tx, CATALOGUE, byWhom(ctx))
    await tx.updateTable('server').set({ status: 'retired' }).where('id', '=', id).execute()
    await change.log({ fact: 'server', id, value: serverFact({ ...before, status: 'retired' }) })
    await logForwardsOf(tx, change, id)
    const keys = await tx
      .updateTable('serverKey')
      .set({ revokedAt: timeOf(ctx) })
      .where('serverId', '=', id)
      .where('revokedAt', 'is', null)
      .returning('id')
      .execute()
    const ids = keys.map(key => key.id).sort()
    await change.logAll(ids.map(id => ({ fact: 'server_key', id, value: null })))
    await recordBy(ctx, tx, {
      ...{ organization: null, type: 'server.retired', target: id },
      detail: { before: before.status, keys: ids, reason },
    })
  })
}
