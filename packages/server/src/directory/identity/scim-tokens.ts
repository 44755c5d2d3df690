import { AppError, isId, isoTime, newId, newSecret } from '@valetkey/sdk/core'
import { hashSecret, type Store } from '../../store/index.ts'
import type { Context } from '../context.ts'
import { futureTime } from '../expiry.ts'
import type { Row } from '../fact-of.ts'
import { type InputOf, lock, type OutputOf, recordBy, timeOf } from '../operation.ts'
import { readOwnPage } from '../page.ts'
import { getOrganization, quote } from '../reference.ts'
import { getProvider } from './provider-row.ts'

type ScimToken = OutputOf<'scimTokens', 'revoke'>

/** `last used` is kept to the minute, so that reading does not become writing. */
const LAST_USED_STEP_MS = 60_000

function toScimToken(row: Row<'scimToken'>, now: number): ScimToken {
  const { id, organizationId, providerId, name, createdAt, createdBy, expiresAt, lastUsedAt } = row
  return {
    ...{ id, organization: organizationId, provider: providerId, name },
    ...{ createdAt, createdBy, expiresAt, lastUsedAt },
    status: row.revokedAt !== null ? 'revoked' : isOver(row, now) ? 'expired' : 'live',
  }
}

function isOver({ expiresAt }: Pick<Row<'scimToken'>, 'expiresAt'>, now: number): boolean {
  return expiresAt !== null && Date.parse(expiresAt) <= now
}

export async function listScimTokens(
  ctx: Context,
  input: InputOf<'scimTokens', 'list'>,
): Promise<OutputOf<'scimTokens', 'list'>> {
  const page = await readOwnPage(ctx, 'scimToken', input)
  return { items: page.items.map(row => toScimToken(row, ctx.now())), next: page.next }
}

/** Makes a token by which a directory provisions people and groups of one organization; only its hash is kept. */
export async function createScimToken(
  ctx: Context,
  input: InputOf<'scimTokens', 'create'>,
): Promise<OutputOf<'scimTokens', 'create'>> {
  const organization = await getOrganization(ctx.store.db, input.organization)
  const expiresAt = futureTime(ctx, 'The token', input.expiresAt)
  const token = newSecret('vk_scim')
  return ctx.store.write(async tx => {
    await lock(tx, organization.id)
    const provider = input.provider && (await getProvider(tx, organization, input.provider))
    const row: Row<'scimToken'> = {
      ...{ id: newId('scimToken', ctx.now()), organizationId: organization.id },
      ...{ providerId: provider ? provider.id : null, name: input.name, hash: hashSecret(token) },
      ...{ createdAt: timeOf(ctx), createdBy: ctx.actor.id, expiresAt, revokedAt: null, lastUsedAt: null },
    }
    await tx.insertInto('scimToken').values(row).execute()
    const detail = { name: row.name, provider: row.providerId, expiresAt }
    const event = { organization: organization.id, type: 'scim_token.created', target: row.id }
    await recordBy(ctx, tx, { ...event, detail })
    return { ...toScimToken(row, ctx.now()), token }
  })
}

export async function revokeScimToken(
  ctx: Context,
  input: InputOf<'scimTokens', 'revoke'>,
): Promise<ScimToken> {
  const organization = await getOrganization(ctx.store.db, input.organization)
  return ctx.store.write(async tx => {
    await lock(tx, organization.id)
    const before = isId(input.scimToken, 'scimToken')
      ? await tx
          .selectFrom('scimToken')
          .selectAll()
          .where('id', '=', input.scimToken)
          .where('organizationId', '=', organization.id)
          .executeTakeFirst()
      : undefined
    if (!before)
      throw new AppError('not_found', `No SCIM token ${quote(input.scimToken)} in ${organization.slug}.`)
    if (before.revokedAt !== null) return toScimToken(before, ctx.now())
    const revokedAt = timeOf(ctx)
    await tx.updateTable('scimToken').set({ revokedAt }).where('id', '=', before.id).execute()
    const event = { organization: organization.id, type: 'scim_token.revoked', target: before.id }
    await recordBy(ctx, tx, { ...event, detail: { name: before.name } })
    return toScimToken({ ...before, revokedAt }, ctx.now())
  })
}

/** The live token that a bearer presents to an organization, by its slug or id; one of another organization is none. */
export async function findScimToken(
  store: Store,
  organization: string,
  token: string,
  now: number,
): Promise<(Row<'scimToken'> & { slug: string }) | undefined> {
  const row = await store.db
    .selectFrom('scimToken')
    .innerJoin('organization', 'organization.id', 'scimToken.organizationId')
    .selectAll('scimToken')
    .select('organization.slug')
    .where('hash', '=', hashSecret(token))
    .where('revokedAt', 'is', null)
    .where(eb =>
      eb.or([eb('organization.id', '=', organization), eb('organization.slug', '=', organization)]),
    )
    .executeTakeFirst()
  if (!row || isOver(row, now)) return undefined
  if (row.lastUsedAt === null || Date.parse(row.lastUsedAt) + LAST_USED_STEP_MS <= now)
    await store.db
      .updateTable('scimToken')
      .set({ lastUsedAt: isoTime(now) })
      .where('id', '=', row.id)
      .execute()
  return row
}
