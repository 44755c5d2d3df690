import { type Adapter, errors } from 'oidc-provider'
import { hashSecret, prepareQuery, type Store, type Tx } from '../store/index.ts'

/**
 * Keeps what oidc-provider must find again, one adapter a kind of thing. A code or refresh token is consumed by the one
 * request that changes its row; all others, on any node, get `invalid_grant`. Of what can be redeemed only the hash is
 * kept.
 */
export function createOauthState(store: Store, now: () => number): (model: string) => Adapter {
  return model => {
    const isSecret = model === 'AuthorizationCode'
    const keptMs = KEPT_MS[model] ?? 0
    const keyOf = (id: string) => (isSecret ? hashSecret(id) : id)
    const rows = store.db
      .selectFrom('oauthState')
      .select(['payload', 'consumedAt', 'expiresAt'])
      .where('model', '=', model)
    const live = (
      row: { payload: string; consumedAt: number | null; expiresAt: number | null } | undefined,
    ) => {
      if (!row || (row.expiresAt !== null && row.expiresAt <= now())) return undefined
      const payload = JSON.parse(row.payload) as Record<string, unknown>
      return row.consumedAt === null ? payload : { ...payload, consumed: Math.floor(row.consumedAt / 1000) }
    }
    return {
      async upsert(id, given, expiresInSeconds) {
        const payload = isSecret && 'jti' in given ? { ...given, jti: '' } : given
        const values = {
          payload: JSON.stringify(payload),
          grantId: text(payload['grantId']),
          uid: text(payload['uid']),
          userCode: text(payload['userCode']),
          expiresAt: expiresInSeconds === undefined ? null : now() + expiresInSeconds * 1000 + keptMs,
        }
        await store.write(tx =>
          tx
            .insertInto('oauthState')
            .values({ model, id: keyOf(id), ...values, consumedAt: null })
            .onConflict(conflict => conflict.columns(['model', 'id']).doUpdateSet(values))
            .execute(),
        )
      },
      async find(id) {
        const found = live(await rows.where('id', '=', keyOf(id)).executeTakeFirst())
        return found && isSecret && 'jti' in found ? { ...found, jti: id } : found
      },
      findByUid: async uid => live(await rows.where('uid', '=', uid).executeTakeFirst()),
      findByUserCode: async code => live(await rows.where('userCode', '=', code).executeTakeFirst()),
      async consume(id) {
        const { numUpdatedRows } = await store.write(tx =>
          tx
            .updateTable('oauthState')
            .set({ consumedAt: now() })
            .where('model', '=', model)
            .where('id', '=', keyOf(id))
            .where('consumedAt', 'is', null)
            .executeTakeFirstOrThrow(),
        )
        if (numUpdatedRows === 0n) throw new errors.InvalidGrant('consumed before')
      },
      async destroy(id) {
        await store.write(tx =>
          tx.deleteFrom('oauthState').where('model', '=', model).where('id', '=', keyOf(id)).execute(),
        )
      },
      async revokeByGrantId(grantId) {
        await store.write(tx =>
          tx.deleteFrom('oauthState').where('model', '=', model).where('grantId', '=', grantId).execute(),
        )
      },
    }
  }
}

/**
 * What is kept for longer than it is good: a pushed request that a browser has begun with, and that comes to its end later,
 * is used up all the same.
 */
const KEPT_MS: Record<string, number> = { PushedAuthorizationRequest: 20 * 60_000 }

/** Uses an authorization code up, in a transaction that does more; false where somebody was faster. */
export async function consumeCode(tx: Tx, code: string, now: number): Promise<boolean> {
  const rows = await consumeRow(tx, { id: hashSecret(code), now })
  return rows.length === 1
}

const consumeRow = prepareQuery((db, { id, now }: { id: string; now: number }) =>
  db
    .updateTable('oauthState')
    .set({ consumedAt: now })
    .where('model', '=', 'AuthorizationCode')
    .where('id', '=', id)
    .where('consumedAt', 'is', null)
    .returning('id'),
)

/** Removes what has ended; single-use records a while later, so that clocks of nodes may differ. */
export async function removeExpired(store: Store, now: number): Promise<void> {
  await store.write(async tx => {
    await tx.deleteFrom('oauthState').where('expiresAt', '<=', now).execute()
    await tx.deleteFrom('clientRegistration').where('expiresAt', '<=', now).execute()
    await tx.deleteFrom('refreshFamily').where('expiresAt', '<=', now).execute()
    await tx
      .deleteFrom('replay')
      .where('expiresAt', '<=', now - REPLAY_MARGIN_MS)
      .execute()
  })
}

const REPLAY_MARGIN_MS = 60_000

function text(value: unknown): string | null {
  return typeof value === 'string' ? value : null
}
