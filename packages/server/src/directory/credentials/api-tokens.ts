import { api, type Route } from '@valetkey/sdk/contract'
import { AppError, didYouMean, isId, isoTime, newId, newSecret } from '@valetkey/sdk/core'
import { hashSecret, type Tx } from '../../store/index.ts'
import type { Context } from '../context.ts'
import type { Row } from '../fact-of.ts'
import { type InputOf, type OutputOf, recordBy, timeOf } from '../operation.ts'
import { readPage } from '../page.ts'
import { quote } from '../reference.ts'

type ApiToken = OutputOf<'apiTokens', 'revoke'>

/** Every permission that some operation asks for. */
const KNOWN = new Set(
  Object.values(api).flatMap(operations => Object.values<Route>(operations).map(route => route.permission)),
)

/** What the one-time code of the first start may do, and nothing else can. */
export const CLAIM = 'bootstrap:claim'

/** Whether a caller who carries `held` may do what asks for `permission`; writing implies reading. */
export function may(held: readonly string[], permission: string): boolean {
  if (permission === CLAIM) return held.includes(CLAIM)
  if (held.includes('*') || held.includes(permission)) return true
  return permission.endsWith(':read') && held.includes(permission.replace(/:read$/, ':write'))
}

function toApiToken(row: Row<'apiToken'>): ApiToken {
  const { id, name, permissions, createdAt, createdBy, expiresAt, lastUsedAt } = row
  return {
    id,
    name,
    permissions: JSON.parse(permissions) as string[],
    createdAt,
    createdBy,
    expiresAt,
    lastUsedAt,
  }
}

/** The tokens that are not revoked; the bootstrap code is not one of them. */
export async function listApiTokens(
  ctx: Context,
  input: InputOf<'apiTokens', 'list'>,
): Promise<OutputOf<'apiTokens', 'list'>> {
  const read = (after: string, limit: number) =>
    ctx.store.db
      .selectFrom('apiToken')
      .selectAll()
      .where('revokedAt', 'is', null)
      .where('permissions', '!=', JSON.stringify([CLAIM]))
      .where('id', '>', after)
      .orderBy('id')
      .limit(limit)
      .execute()
  return readPage(ctx, 'api-tokens', input, read, toApiToken)
}

/** Makes a token that carries no more than its maker, and lives no longer. */
export async function createApiToken(
  ctx: Context,
  input: InputOf<'apiTokens', 'create'>,
): Promise<OutputOf<'apiTokens', 'create'>> {
  const unknown = input.permissions.find(permission => permission !== '*' && !KNOWN.has(permission))
  if (unknown !== undefined)
    throw new AppError(
      'request.invalid',
      `No operation asks for ${quote(unknown)}.${didYouMean(unknown, KNOWN)}`,
      { path: 'permissions' },
    )
  const tooMuch = input.permissions.filter(permission => !may(ctx.actor.permissions, permission))
  if (tooMuch.length > 0)
    throw new AppError('permission.denied', `You cannot give what you do not carry: ${tooMuch.join(', ')}.`, {
      path: 'permissions',
    })
  const makersEnd = await endOf(ctx)
  const expiresAt = input.expiresAt === null ? makersEnd : isoTime(Date.parse(input.expiresAt))
  if (expiresAt !== null && Date.parse(expiresAt) <= ctx.now())
    throw new AppError('request.invalid', 'The token would be expired already.', { path: 'expiresAt' })
  if (makersEnd !== null && expiresAt !== null && expiresAt > makersEnd)
    throw new AppError(
      'permission.denied',
      `Your own token ends at ${makersEnd}; no token of yours ends later.`,
      {
        path: 'expiresAt',
      },
    )
  return ctx.store.write(tx => insertApiToken(ctx, tx, { ...input, expiresAt }))
}

/** Writes a new token; the answer is the one time that it can be read. */
export async function insertApiToken(
  ctx: Context,
  tx: Tx,
  input: { name: string; permissions: readonly string[]; expiresAt: string | null },
): Promise<ApiToken & { token: string }> {
  const token = newSecret('vk_api')
  const permissions = [...new Set(input.permissions)].sort()
  const row: Row<'apiToken'> = {
    id: newId('apiToken', ctx.now()),
    name: input.name,
    hash: hashSecret(token),
    permissions: JSON.stringify(permissions),
    createdAt: timeOf(ctx),
    createdBy: ctx.actor.id,
    expiresAt: input.expiresAt,
    revokedAt: null,
    lastUsedAt: null,
  }
  await tx.insertInto('apiToken').values(row).execute()
  const detail = { name: row.name, permissions, expiresAt: row.expiresAt }
  await recordBy(ctx, tx, { organization: null, type: 'api_token.created', target: row.id, detail })
  return { ...toApiToken(row), token }
}

/** Revokes a token, which must not carry more than the caller: a small token cannot shut out a large one. */
export async function revokeApiToken(ctx: Context, input: InputOf<'apiTokens', 'revoke'>): Promise<ApiToken> {
  return ctx.store.write(async tx => {
    const before = isId(input.id, 'apiToken')
      ? await tx.selectFrom('apiToken').selectAll().where('id', '=', input.id).executeTakeFirst()
      : undefined
    if (!before) throw new AppError('not_found', `No API token ${quote(input.id)}.`)
    const token = toApiToken(before)
    if (before.revokedAt !== null) return token
    if (!token.permissions.every(permission => may(ctx.actor.permissions, permission)))
      throw new AppError('permission.denied', 'This token carries more than yours.')
    await tx
      .updateTable('apiToken')
      .set({ revokedAt: timeOf(ctx) })
      .where('id', '=', before.id)
      .execute()
    const detail = { name: before.name }
    await recordBy(ctx, tx, { organization: null, type: 'api_token.revoked', target: before.id, detail })
    return token
  })
}

async function endOf(ctx: Context): Promise<string | null> {
  const own = await ctx.store.db
    .selectFrom('apiToken')
    .select('expiresAt')
    .where('id', '=', ctx.actor.id)
    .executeTakeFirst()
  return own?.expiresAt ?? null
}
