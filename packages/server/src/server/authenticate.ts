import { AppError, isoTime } from '@valetkey/sdk/core'
import type { Actor } from '../directory/index.ts'
import { hashSecret, prepareQuery, type Store } from '../store/index.ts'

/** `last used` is kept to the minute, so that reading does not become writing. */
const LAST_USED_STEP_MS = 60_000

const findToken = prepareQuery((db, { hash }: { hash: string }) =>
  db
    .selectFrom('apiToken')
    .select(['id', 'name', 'permissions', 'expiresAt', 'lastUsedAt'])
    .where('hash', '=', hash)
    .where('revokedAt', 'is', null),
)

/**
 * Says who a bearer token is (RFC 6750 section 2.1: in the header, nowhere else). Tokens are found by their SHA-256, so
 * the time that it takes tells nothing about the token.
 */
export async function authenticate(store: Store, header: string | null, now: number): Promise<Actor> {
  if (header === null)
    throw new AppError('auth.required', 'Send an API token: "Authorization: Bearer vk_api_…".')
  const token = /^Bearer ([\w.~+/-]+=*)$/i.exec(header)?.[1]
  const [row] = token === undefined ? [] : await findToken(store.db, { hash: hashSecret(token) })
  if (!row || (row.expiresAt !== null && Date.parse(row.expiresAt) <= now))
    throw new AppError('auth.invalid', 'This API token is unknown, expired or revoked.')
  if (row.lastUsedAt === null || Date.parse(row.lastUsedAt) + LAST_USED_STEP_MS <= now)
    await store.db
      .updateTable('apiToken')
      .set({ lastUsedAt: isoTime(now) })
      .where('id', '=', row.id)
      .execute()
  return { id: row.id, name: row.name, permissions: JSON.parse(row.permissions) as string[] }
}
