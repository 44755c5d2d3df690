import { AppError, CATALOGUE, isId, newId, newSecret } from '@valetkey/sdk/core'
import { beginChange, type Db, hashSecret } from '../../store/index.ts'
import type { Context } from '../context.ts'
import { type Row, serverKeyFact } from '../fact-of.ts'
import { byWhom, type InputOf, lock, type OutputOf, recordBy, timeOf } from '../operation.ts'
import { readPage } from '../page.ts'
import { getServer, quote } from '../reference.ts'

type ServerKey = OutputOf<'serverKeys', 'revoke'>

function toServerKey(row: Row<'serverKey'>): ServerKey {
  const { id, serverId, label, createdAt, createdBy, lastUsedAt, revokedAt } = row
  return {
    id,
    server: serverId,
    label,
    createdAt,
    createdBy,
    lastUsedAt,
    status: revokedAt === null ? 'live' : 'revoked',
  }
}

/** The live key of a server that has this hash, and the server. */
export async function findServerKey(
  db: Db,
  hash: string,
): Promise<{ id: string; server: { id: string; name: string; url: string } } | undefined> {
  const row = await db
    .selectFrom('serverKey')
    .innerJoin('server', 'server.id', 'serverKey.serverId')
    .where('serverKey.hash', '=', hash)
    .where('serverKey.revokedAt', 'is', null)
    .select(['serverKey.id', 'server.id as serverId', 'server.name', 'server.url'])
    .executeTakeFirst()
  return row && { id: row.id, server: { id: row.serverId, name: row.name, url: row.url } }
}

export async function listServerKeys(
  ctx: Context,
  input: InputOf<'serverKeys', 'list'>,
): Promise<OutputOf<'serverKeys', 'list'>> {
  const server = await getServer(ctx.store.db, input.server)
  const read = (after: string, limit: number) =>
    ctx.store.db
      .selectFrom('serverKey')
      .selectAll()
      .where('serverId', '=', server.id)
      .where('id', '>', after)
      .orderBy('id')
      .limit(limit)
      .execute()
  return readPage(ctx, `server-keys:${server.id}`, input, read, toServerKey)
}

/** Makes a key by which guards and gateways of a server introduce themselves; only its hash is kept. */
export async function createServerKey(
  ctx: Context,
  input: InputOf<'serverKeys', 'create'>,
): Promise<OutputOf<'serverKeys', 'create'>> {
  const server = await getServer(ctx.store.db, input.server)
  const key = newSecret('vk_srv')
  const row: Row<'serverKey'> = {
    id: newId('serverKey', ctx.now()),
    serverId: server.id,
    hash: hashSecret(key),
    label: input.label,
    createdAt: timeOf(ctx),
    createdBy: ctx.actor.id,
    revokedAt: null,
    lastUsedAt: null,
  }
  return ctx.store.write(async tx => {
    const change = await beginChange(tx, CATALOGUE, byWhom(ctx))
    await tx.insertInto('serverKey').values(row).execute()
    await change.log({ fact: 'server_key', id: row.id, value: serverKeyFact(row) })
    const detail = { server: server.id, label: row.label }
    await recordBy(ctx, tx, { organization: null, type: 'server_key.created', target: row.id, detail })
    return { ...toServerKey(row), key }
  })
}

/**
 * Revokes a server key: the guards and gateways that came in with it get no lease any more, and what it got for other
 * servers is refused there at once.
 */
export async function revokeServerKey(
  ctx: Context,
  input: InputOf<'serverKeys', 'revoke'>,
): Promise<ServerKey> {
  const server = await getServer(ctx.store.db, input.server)
  return ctx.store.write(async tx => {
    await lock(tx, CATALOGUE)
    const revoked = await tx
      .updateTable('serverKey')
      .set({ revokedAt: timeOf(ctx) })
      .where('id', '=', input.id)
      .where('serverId', '=', server.id)
      .where('revokedAt', 'is', null)
      .returningAll()
      .executeTakeFirst()
    if (revoked) {
      const change = await beginChange(tx, CATALOGUE, byWhom(ctx))
      await change.log({ fact: 'server_key', id: revoked.id, value: null })
      const detail = { server: server.id, label: revoked.label }
      await recordBy(ctx, tx, { organization: null, type: 'server_key.revoked', target: revoked.id, detail })
      return toServerKey(revoked)
    }
    const before = isId(input.id, 'serverKey')
      ? await tx
          .selectFrom('serverKey')
          .selectAll()
          .where('id', '=', input.id)
          .where('serverId', '=', server.id)
          .executeTakeFirst()
      : undefined
    if (!before)
      throw new AppError('not_found', `No key ${quote(input.id)} of the MCP server ${quote(server.name)}.`)
    return toServerKey(before)
  })
}
