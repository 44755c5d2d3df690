import { AppError, isId, isoTime } from '@valetkey/sdk/core'
import { beginChange, type Db, type Tx } from '../store/index.ts'
import { getAgentRow } from './agents.ts'
import type { Context } from './context.ts'
import { principalFact, type Row, revokedTokenFact } from './fact-of.ts'
import { byWhom, type InputOf, lock, type OutputOf, recordBy, timeOf } from './operation.ts'
import { getOrganization, getPrincipal, locatePrincipal, quote } from './reference.ts'

type Input = InputOf<'revocations', 'create'>
type Revocation = OutputOf<'revocations', 'create'>

/**
 * Waits until every enforcement point has applied a revision of an organization or its lease has ended, for so many
 * milliseconds at most.
 */
export type WaitForPoints = (
  organization: string,
  revision: number,
  waitMs: number,
) => Promise<NonNullable<Revocation['barrier']>>

/** What a revocation has done: to which id, in which organization, and the revision from which on it holds. */
interface Done {
  id: string
  organization: string
  revision: number
}

/** The longest that a token lives, and how far clocks may differ: so long is the revocation of an unknown one kept. */
const LONGEST_TOKEN_MS = 15 * 60 * 1000 + 60 * 1000

/**
 * Takes back an agent, a credential or a token. Taking back what is taken back already changes nothing, and still waits
 * for the enforcement points: whoever asks wants to know that it holds.
 */
export async function createRevocation(
  ctx: Context,
  input: Input,
  waitForPoints: WaitForPoints,
): Promise<Revocation> {
  const done = await REVOKE[input.kind](ctx, input)
  const barrier =
    input.waitMs > 0 ? await waitForPoints(done.organization, done.revision, input.waitMs) : null
  return { kind: input.kind, ...done, barrier }
}

const REVOKE: Record<Input['kind'], (ctx: Context, input: Input) => Promise<Done>> = {
  agent: revokeAgent,
  credential: revokeCredential,
  token: revokeToken,
}

/** All of an agent's credentials and the agent itself, in one revision: there is no moment between the two. */
async function revokeAgent(ctx: Context, input: Input): Promise<Done> {
  const { id, organizationId } = await locatePrincipal(ctx.store.db, 'agent', input.id, input.organization)
  const organization = await getOrganization(ctx.store.db, organizationId)
  return ctx.store.write(async tx => {
    await lock(tx, organizationId)
    const before = await getAgentRow(tx, id)
    const stops = before.status === 'active' || before.status === 'pending'
    const held = await tx
      .selectFrom('credential')
      .select('id')
      .where('agentId', '=', id)
      .where('revokedAt', 'is', null)
      .orderBy('id')
      .execute()
    if (!stops && held.length === 0) return asItStands(tx, organizationId, id)
    const change = await beginChange(tx, organizationId, byWhom(ctx))
    if (stops) {
      await tx.updateTable('principal').set({ status: 'suspended' }).where('id', '=', id).execute()
      const principal = await getPrincipal(tx, organization, 'agent', id)
      await change.log({ fact: 'principal', id, value: principalFact(principal) })
    }
    await tx
      .updateTable('credential')
      .set({ revokedAt: timeOf(ctx) })
      .where('agentId', '=', id)
      .where('revokedAt', 'is', null)
      .execute()
    for (const credential of held) await change.log({ fact: 'credential', id: credential.id, value: null })
    await recordBy(ctx, tx, {
      organization: organizationId,
      type: 'agent.revoked',
      target: id,
      detail: {
        before: before.status,
        after: stops ? 'suspended' : before.status,
        credentials: held.map(credential => credential.id),
        reason: input.reason,
      },
    })
    return { id, organization: organizationId, revision: change.revision }
  })
}

async function revokeCredential(ctx: Context, input: Input): Promise<Done> {
  const { organizationId } = await getCredential(ctx.store.db, input)
  return ctx.store.write(async tx => {
    await lock(tx, organizationId)
    const before = await getCredential(tx, input)
    if (before.revokedAt !== null) return asItStands(tx, organizationId, before.id)
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
    return { id: before.id, organization: organizationId, revision: change.revision }
  })
}

async function getCredential(db: Db, input: Input): Promise<Row<'credential'>> {
  const organization =
    input.organization === undefined ? undefined : await getOrganization(db, input.organization)
  const found = isId(input.id, 'credential')
    ? await db.selectFrom('credential').selectAll().where('id', '=', input.id).executeTakeFirst()
    : undefined
  if (!found || (organization && found.organizationId !== organization.id))
    throw new AppError('not_found', `No credential ${quote(input.id)}.`)
  return found
}

/** A token is known by its `jti` alone, so it can be taken back although nothing of it is kept here. */
function revokeToken(ctx: Context, input: Input): Promise<Done> {
  if (!/^[\x21-\x7e]{8,200}$/.test(input.id) || input.id.startsWith('eyJ'))
    throw new AppError('request.invalid', 'Name the token by its "jti", not by the token itself.', {
      path: 'id',
    })
  return denyToken(ctx, {
    id: input.id,
    organization: input.organization,
    agent: '',
    expiresAt: ctx.now() + LONGEST_TOKEN_MS,
    reason: input.reason,
  })
}

/** Denies a token by its `jti` until it would have expired, and forgets those that have. */
export async function denyToken(
  ctx: Context,
  token: {
    id: string
    organization: string | undefined
    agent: string
    expiresAt: number
    reason: string
  },
): Promise<Done> {
  const { id: organizationId } = await getOrganization(ctx.store.db, token.organization)
  return ctx.store.write(async tx => {
    await lock(tx, organizationId)
    const known = await tx
      .selectFrom('revokedToken')
      .selectAll()
      .where('id', '=', token.id)
      .executeTakeFirst()
    if (known && known.organizationId !== organizationId)
      throw new AppError('conflict.state', `A token of this "jti" is revoked in another organization.`)
    if (known) return asItStands(tx, organizationId, token.id)
    const change = await beginChange(tx, organizationId, byWhom(ctx))
    const row: Row<'revokedToken'> = {
      id: token.id,
      organizationId,
      agentId: token.agent,
      expiresAt: isoTime(token.expiresAt),
    }
    await tx.insertInto('revokedToken').values(row).execute()
    await change.log({ fact: 'revoked_token', id: row.id, value: revokedTokenFact(row) })
    const ended = await tx
      .deleteFrom('revokedToken')
      .where('organizationId', '=', organizationId)
      .where('expiresAt', '<', isoTime(ctx.now()))
      .returning('id')
      .execute()
    for (const { id } of ended) await change.log({ fact: 'revoked_token', id, value: null })
    await recordBy(ctx, tx, {
      organization: organizationId,
      type: 'token.revoked',
      target: row.id,
      detail: { agent: token.agent || null, until: row.expiresAt, reason: token.reason },
    })
    return { id: row.id, organization: organizationId, revision: change.revision }
  })
}

async function asItStands(tx: Tx, organization: string, id: string): Promise<Done> {
  const { revision } = await getOrganization(tx, organization)
  return { id, organization, revision }
}
