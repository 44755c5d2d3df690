import { type Adapter, errors } from 'oidc-provider'
import { hashSecret, prepareQuery, type Store, type Tx } from '../store/index.ts'
import { keepWaiting } from './waiting/waiting-request.ts'

/**
 * Keeps what oidc-provider must find again, one adapter a kind of thing. A code or refresh token is consumed by the one
 * request that changes its row; all others, on any node, get `invalid_grant`. Of what can be redeemed only the hash is
 * kept.
 */
export function createOauthState(store: Store, now: () => number): (model: string) => Adapter {
  return model => {
    if (model === 'Session') return NOTHING_KEPT
    if (model === 'DeviceCode') return { ...NOTHING_KEPT, upsert: keepWaiting(store, now, 'device') }
    if (model === 'BackchannelAuthenticationRequest')
      return { ...NOTHING_KEPT, upsert: keepWaiting(store, now, 'backchannel') }
    return keepRows(store, now, model)
  }
}

/** Nobody is known again by a session of the protocol's, so none is kept; what waits is found by ways of our own. */
const NOTHING_KEPT: Adapter = {
  upsert: async () => undefined,
  find: async () => undefined,
  findByUid: async () => undefined,
  findByUserCode: async () => undefined,
  consume: async () => undefined,
  destroy: async () => undefined,
  revokeByGrantId: async () => undefined,
}

function keepRows(store: Store, now: () => number, model: string): Adapter {
  const isSecret = model === 'AuthorizationCode'
  const keptMs = KEPT_MS[model] ?? 0
  const keyOf = (id: string) => (isSecret ? hashSecret(id) : id)
  const live = ([row]: Kept[]) => {
    if (!row || (row.expiresAt !== null && Number(row.expiresAt) <= now())) return undefined
    const payload = JSON.parse(row.payload) as Record<string, unknown>
    return row.consumedAt === null ? payload : { ...payload, consumed: Math.floor(row.consumedAt / 1000) }
  }
  return {
    async upsert(id, given, expiresInSeconds) {
      const payload = isSecret && 'jti' in given ? { ...given, jti: '' } : given
      const values = {
        ...{ model, id: keyOf(id), payload: JSON.stringify(payload) },
        grantId: text(payload['grantId']),
        uid: text(payload['uid']),
        userCode: text(payload['userCode']),
        expiresAt: expiresInSeconds === undefined ? null : now() + expiresInSeconds * 1000 + keptMs,
      }
      await store.write(tx => putRow(tx, values))
    },
    async find(id) {
      const found = live(await findById(store.db, { model, id: keyOf(id) }))
      return found && isSecret && 'jti' in found ? { ...found, jti: id } : found
    },
    findByUid: async uid => live(await findByUid(store.db, { model, uid })),
    findByUserCode: async userCode => live(await findByUserCode(store.db, { model, userCode })),
    async consume(id) {
      const used = await store.write(tx => consumeRow(tx, { model, id: keyOf(id), now: now() }))
      if (used.length === 0) throw new errors.InvalidGrant('consumed before')
    },
    async destroy(id) {
      await store.write(tx => removeRow(tx, { model, id: keyOf(id) }))
    },
    async revokeByGrantId(grantId) {
      await store.write(tx =>
        tx.deleteFrom('oauthState').where('model', '=', model).where('grantId', '=', grantId).execute(),
      )
    },
  }
}

interface Kept {
  payload: string
  consumedAt: number | null
  expiresAt: number | null
}

const KEPT = ['payload', 'consumedAt', 'expiresAt'] as const
const findById = prepareQuery((db, { model, id }: { model: string; id: string }) =>
  db.selectFrom('oauthState').select(KEPT).where('model', '=', model).where('id', '=', id),
)
const findByUid = prepareQuery((db, { model, uid }: { model: string; uid: string }) =>
  db.selectFrom('oauthState').select(KEPT).where('model', '=', model).where('uid', '=', uid),
)
const findByUserCode = prepareQuery((db, { model, userCode }: { model: string; userCode: string }) =>
  db.selectFrom('oauthState').select(KEPT).where('model', '=', model).where('userCode', '=', userCode),
)

interface Put {
  [name: string]: string | number | null
  model: string
  id: string
  payload: string
  grantId: string | null
  uid: string | null
  userCode: string | null
  expiresAt: number | null
}

const putRow = prepareQuery((db, values: Put) => {
  const { model, id, payload, grantId, uid, userCode, expiresAt } = values
  const changed = { payload, grantId, uid, userCode, expiresAt }
  return db
    .insertInto('oauthState')
    .values({ model, id, ...changed, consumedAt: null })
    .onConflict(conflict => conflict.columns(['model', 'id']).doUpdateSet(changed))
})
const removeRow = prepareQuery((db, { model, id }: { model: string; id: string }) =>
  db.deleteFrom('oauthState').where('model', '=', model).where('id', '=', id),
)

/**
 * What is kept for longer than it is good: a pushed request that a browser has begun with, and that comes to its end later,
 * is used up all the same.
 */
const KEPT_MS: Record<string, number> = { PushedAuthorizationRequest: 20 * 60_000 }

/** Uses an authorization code up, in a transaction that does more; false where somebody was faster. */
export async function consumeCode(tx: Tx, code: string, now: number): Promise<boolean> {
  const rows = await consumeRow(tx, { model: 'AuthorizationCode', id: hashSecret(code), now })
  return rows.length === 1
}

const consumeRow = prepareQuery((db, { model, id, now }: { model: string; id: string; now: number }) =>
  db
    .updateTable('oauthState')
    .set({ consumedAt: now })
    .where('model', '=', model)
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
      .deleteFrom('waitingRequest')
      .where('expiresAt', '<=', now - WAITING_MARGIN_MS)
      .execute()
    await tx
      .deleteFrom('replay')
      .where('expiresAt', '<=', now - REPLAY_MARGIN_MS)
      .execute()
  })
}

const REPLAY_MARGIN_MS = 60_000
/** So long whoever comes again is told that it has expired, and not that there never was one. */
const WAITING_MARGIN_MS = 10 * 60_000

function text(value: unknown): string | null {
  return typeof value === 'string' ? value : null
}
