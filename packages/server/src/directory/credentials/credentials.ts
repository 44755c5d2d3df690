import { AppError, isoTime, newId, newSecret } from '@valetkey/sdk/core'
import { beginChange, type Db, hashSecret } from '../../store/index.ts'
import type { Context } from '../context.ts'
import { refuseDuplicate } from '../duplicate.ts'
import { credentialFact, type Row } from '../fact-of.ts'
import { byWhom, type InputOf, lock, type OutputOf, recordBy, timeOf } from '../operation.ts'
import { readPage } from '../page.ts'
import { getAgentRow } from '../principals/agents.ts'
import { locatePrincipal, quote } from '../reference.ts'
import { clientIdOf } from './client-key.ts'
import { type PublicKey, parsePublicKey } from './public-key.ts'

type Credential = OutputOf<'credentials', 'list'>['items'][number]
type Input = InputOf<'credentials', 'create'>

const LONGEST_SECRET_LIFE_MS = 365 * 24 * 60 * 60 * 1000

function toCredential(row: Row<'credential'>, now: number): Credential {
  const { id, agentId, clientId, kind, label, createdAt, createdBy, expiresAt, lastUsedAt, lastUsedFrom } =
    row
  const expired = expiresAt !== null && Date.parse(expiresAt) <= now
  const status = row.revokedAt !== null ? 'revoked' : expired ? 'expired' : 'live'
  return {
    id,
    agent: agentId,
    clientId: clientIdOf(clientId),
    kind,
    label,
    createdAt,
    createdBy,
    expiresAt,
    lastUsedAt,
    lastUsedFrom,
    status,
  }
}

export async function listCredentials(
  ctx: Context,
  input: InputOf<'credentials', 'list'>,
): Promise<OutputOf<'credentials', 'list'>> {
  const agent = await locatePrincipal(ctx.store.db, 'agent', input.agent, input.organization)
  const read = (after: string, limit: number) =>
    ctx.store.db
      .selectFrom('credential')
      .selectAll()
      .where('organizationId', '=', agent.organizationId)
      .where('agentId', '=', agent.id)
      .where('id', '>', after)
      .orderBy('id')
      .limit(limit)
      .execute()
  return readPage(ctx, `credentials:${agent.id}`, input, read, row => toCredential(row, ctx.now()))
}

/** The credentials by which an agent can prove itself at a time, newest first. */
export function liveCredentials(db: Db, agentId: string, now: number) {
  return db
    .selectFrom('credential')
    .selectAll()
    .where('agentId', '=', agentId)
    .where('revokedAt', 'is', null)
    .where(eb => eb.or([eb('expiresAt', 'is', null), eb('expiresAt', '>', isoTime(now))]))
    .orderBy('id', 'desc')
    .execute()
}

/**
 * Gives an agent one more way to prove itself. Of a key only the public part is ever here; of a secret only its hash is
 * kept, and this answer is the one time that it can be read.
 */
export async function createCredential(
  ctx: Context,
  input: Input,
): Promise<OutputOf<'credentials', 'create'>> {
  const expiresAt = expiryOf(ctx, input)
  const key = await keyOf(input)
  const secret = key ? null : newSecret('vk_sec')
  const { id: agentId, organizationId } = await locatePrincipal(
    ctx.store.db,
    'agent',
    input.agent,
    input.organization,
  )
  return ctx.store.write(async tx => {
    await lock(tx, organizationId)
    const agent = await getAgentRow(tx, agentId)
    if (agent.status === 'retired')
      throw new AppError('conflict.state', `Agent ${quote(agent.name)} is retired, which is final.`)
    const row: Row<'credential'> = {
      id: newId('credential', ctx.now()),
      organizationId,
      agentId,
      clientId: agentId,
      kind: input.kind,
      secretHash: secret === null ? null : hashSecret(secret),
      publicJwk: key ? JSON.stringify(key.jwk) : null,
      thumbprint: key ? key.thumbprint : null,
      label: input.label,
      createdAt: timeOf(ctx),
      createdBy: ctx.actor.id,
      expiresAt,
      revokedAt: null,
      frozenAt: null,
      lastUsedAt: null,
      lastUsedFrom: null,
    }
    const change = await beginChange(tx, organizationId, byWhom(ctx))
    await refuseDuplicate(
      tx.insertInto('credential').values(row).execute(),
      'This key is a credential already. Make a new one: no two agents, and no two credentials, share a key.',
    )
    if (input.legacyAudience)
      await tx.updateTable('client').set({ legacyAudience: 1 }).where('id', '=', agentId).execute()
    await change.log({ fact: 'credential', id: row.id, value: credentialFact(row) })
    await recordBy(ctx, tx, {
      organization: organizationId,
      type: 'credential.created',
      target: row.id,
      detail: {
        agent: agentId,
        kind: row.kind,
        label: row.label,
        expiresAt,
        thumbprint: row.thumbprint,
        legacyAudience: input.legacyAudience,
      },
    })
    return { ...toCredential(row, ctx.now()), secret }
  })
}

async function keyOf(input: Input): Promise<PublicKey | null> {
  if (input.kind === 'key') {
    if (input.publicKey) return parsePublicKey(input.publicKey)
    throw new AppError('request.invalid', 'A key credential needs the public key, as a JWK.', {
      path: 'publicKey',
    })
  }
  if (input.publicKey)
    throw new AppError('request.invalid', 'A secret is made here; leave the public key out.', {
      path: 'publicKey',
    })
  return null
}

/** A secret always ends, after a year at the latest; a key ends when it is said to. */
function expiryOf(ctx: Context, input: Input): string | null {
  const now = ctx.now()
  const longest = now + LONGEST_SECRET_LIFE_MS
  if (input.expiresAt === null) return input.kind === 'secret' ? isoTime(longest) : null
  const at = Date.parse(input.expiresAt)
  if (at <= now)
    throw new AppError('request.invalid', 'The credential would be expired already.', { path: 'expiresAt' })
  if (input.kind === 'secret' && at > longest)
    throw new AppError(
      'request.invalid',
      'A secret may live for at most a year. Use a key for longer lives.',
      {
        path: 'expiresAt',
      },
    )
  return isoTime(at)
}
