import { AppError, isoTime, newId, newSecret } from '@valetkey/sdk/core'
import { record } from '../audit/index.ts'
import { hashSecret, type Store } from '../store/index.ts'
import type { Context } from './context.ts'
import { CLAIM, insertApiToken } from './credentials/api-tokens.ts'
import type { InputOf, OutputOf } from './operation.ts'

/** How long the one-time code can be traded. */
const BOOTSTRAP_CODE_LIFE_MS = 15 * 60 * 1000

const CLAIM_ONLY = JSON.stringify([CLAIM])

/**
 * Makes the one-time code for the first API token, or null once there has been any token. A new code takes the place of
 * one that nobody traded: after a restart there is one code that works, the one that was printed last.
 */
export async function createBootstrapCode(store: Store, now: number): Promise<string | null> {
  const code = newSecret('vk_boot')
  const id = newId('apiToken', now)
  return store.write(async tx => {
    const token = await tx
      .selectFrom('apiToken')
      .select('id')
      .where('permissions', '!=', CLAIM_ONLY)
      .executeTakeFirst()
    if (token) return null
    await tx.deleteFrom('apiToken').where('permissions', '=', CLAIM_ONLY).execute()
    await tx
      .insertInto('apiToken')
      .values({
        id,
        name: 'bootstrap',
        hash: hashSecret(code),
        permissions: CLAIM_ONLY,
        createdAt: isoTime(now),
        createdBy: 'system',
        expiresAt: isoTime(now + BOOTSTRAP_CODE_LIFE_MS),
        revokedAt: null,
        lastUsedAt: null,
      })
      .execute()
    await record(tx, { organization: null, type: 'bootstrap_code.created', actor: 'system', target: id }, now)
    return code
  })
}

/** Trades the code for the first API token: once, since the row that it is goes in the same transaction. */
export async function claimBootstrapCode(
  ctx: Context,
  input: InputOf<'session', 'bootstrap'>,
): Promise<OutputOf<'session', 'bootstrap'>> {
  return ctx.store.write(async tx => {
    const claimed = await tx
      .deleteFrom('apiToken')
      .where('permissions', '=', CLAIM_ONLY)
      .returning('id')
      .execute()
    if (!claimed.some(row => row.id === ctx.actor.id))
      throw new AppError('auth.invalid', 'This code has been traded already.')
    const { token, ...apiToken } = await insertApiToken(ctx, tx, {
      name: input.name,
      permissions: ['*'],
      expiresAt: null,
    })
    return { token, apiToken }
  })
}
