import { createPrivateKey, generateKeyPairSync, type JsonWebKey, sign } from 'node:crypto'
import { CATALOGUE, isoTime } from '@valetkey/sdk/core'
import { calculateJwkThumbprint, type JWK } from 'jose'
import { record } from '../audit/index.ts'
import type { Store, Tx } from '../store/index.ts'

/** How access tokens are signed. */
export type TokenAlgorithm = 'ES256' | 'EdDSA'

/** The key that signs now. Its private part leaves this process only sealed. */
export interface SigningKey {
  readonly kid: string
  readonly alg: TokenAlgorithm
  readonly privateJwk: JWK
  sign(text: string): string
}

/**
 * Gives the active signing key of the algorithm, and makes one at the first start. Nodes that start at once queue up
 * behind one another, so that there is never a second active key. A key of another algorithm stays published.
 */
export async function openSigningKey(
  store: Store,
  algorithm: TokenAlgorithm,
  now: number,
): Promise<SigningKey> {
  const fresh = await generateKey(algorithm)
  const row = await store.write(async tx => {
    await lockCatalogue(tx)
    const active = await tx.selectFrom('signingKey').selectAll().where('state', '=', 'active').execute()
    const usable = active.find(key => key.alg === algorithm)
    if (usable) return usable
    const made = {
      kid: fresh.kid,
      alg: algorithm,
      state: 'active' as const,
      publicJwk: JSON.stringify(fresh.publicJwk),
      sealedPrivateJwk: store.secrets.seal(JSON.stringify(fresh.privateJwk), `signing_key:${fresh.kid}`),
      createdAt: isoTime(now),
    }
    await tx.updateTable('signingKey').set({ state: 'retired' }).where('state', '=', 'active').execute()
    await tx.insertInto('signingKey').values(made).execute()
    const detail = { alg: algorithm, replaces: active.map(key => key.kid) }
    await record(
      tx,
      { organization: null, type: 'signing_key.created', actor: 'system', target: made.kid, detail },
      now,
    )
    return made
  })
  const privateJwk = JSON.parse(store.secrets.open(row.sealedPrivateJwk, `signing_key:${row.kid}`)) as JWK
  return signingKey(row.kid, algorithm, privateJwk)
}

/** The public keys that access tokens may be signed with: the active one, and those whose tokens may still live. */
export async function readPublicKeys(store: Store): Promise<{ keys: JWK[] }> {
  const rows = await store.db
    .selectFrom('signingKey')
    .select('publicJwk')
    .orderBy('createdAt', 'desc')
    .execute()
  return { keys: rows.map(row => JSON.parse(row.publicJwk) as JWK) }
}

/** Writers of the catalogue queue on its row; that holds on both databases. */
async function lockCatalogue(tx: Tx): Promise<void> {
  await tx
    .updateTable('organization')
    .set(eb => ({ revision: eb.ref('revision') }))
    .where('id', '=', CATALOGUE)
    .execute()
}

async function generateKey(
  algorithm: TokenAlgorithm,
): Promise<{ kid: string; publicJwk: JWK; privateJwk: JWK }> {
  const { privateKey } =
    algorithm === 'ES256'
      ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
      : generateKeyPairSync('ed25519')
  const { d, ...bare } = privateKey.export({ format: 'jwk' }) as JWK & { d: string }
  const kid = await calculateJwkThumbprint(bare)
  const publicJwk = { ...bare, kid, alg: algorithm, use: 'sig' }
  return { kid, publicJwk, privateJwk: { ...publicJwk, d } }
}

/** Signs synchronously: cheaper than a trip to the thread pool, and tens of microseconds at most. */
function signingKey(kid: string, alg: TokenAlgorithm, privateJwk: JWK): SigningKey {
  const key = createPrivateKey({ key: privateJwk as JsonWebKey, format: 'jwk' })
  const digest = alg === 'ES256' ? 'sha256' : null
  return {
    kid,
    alg,
    privateJwk,
    sign: text => sign(digest, Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url'),
  }
}
