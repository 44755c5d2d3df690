import { generateKeyPair } from 'node:crypto'
import { promisify } from 'node:util'
import { CATALOGUE, isoTime, type JsonObject, newId } from '@valetkey/sdk/core'
import { type CryptoKey, importJWK, type JWK, SignJWT } from 'jose'
import { record } from '../audit/index.ts'
import { type Context, lock, type OutputOf, type Row } from '../directory/index.ts'
import type { Db, Store } from '../store/index.ts'

/** How long the key set may be kept, and so how long a new key is published before it signs. */
export const KEY_SET_SECONDS = 300
/** How long a key is published that signs no more: receivers may read late what they were given. */
const TAIL_MS = 24 * 60 * 60_000
/** What the CAEP interoperability profile takes, section 2.6. */
const ALGORITHM = 'RS256'
const BITS = 2048

type KeyRow = Row<'signalKey'>
type SignalKey = OutputOf<'signalKeys', 'rotate'>

/** Signs security events with a key of their own: it is RSA, as receivers expect it, and no token counts that it signed. */
export interface SetKeys {
  sign(claims: JsonObject): Promise<string>
  publicKeys(): Promise<{ keys: JWK[] }>
}

export function createSetKeys(store: Store, now: () => number): SetKeys {
  const opened = new Map<string, Promise<CryptoKey>>()
  const open = (row: KeyRow) => {
    const known = opened.get(row.kid) ?? importKey(store, row)
    opened.set(row.kid, known)
    return known
  }
  return {
    async sign(claims) {
      const { active } = await readKeys(store, now())
      const header = { alg: ALGORITHM, typ: 'secevent+jwt', kid: active.kid }
      return new SignJWT(claims).setProtectedHeader(header).sign(await open(active))
    },
    async publicKeys() {
      const { all } = await readKeys(store, now())
      return { keys: all.map(({ publicJwk }) => JSON.parse(publicJwk) as JWK) }
    },
  }
}

export async function listSignalKeys(ctx: Context): Promise<OutputOf<'signalKeys', 'list'>> {
  const { all, active } = await readKeys(ctx.store, ctx.now())
  return { items: all.map(row => toSignalKey(row, active)) }
}

/** Adds a key that signs once everybody can know it, and forgets those that nobody needs any more. */
export async function rotateSignalKey(ctx: Context): Promise<SignalKey> {
  const { store } = ctx
  const { all, active } = await readKeys(store, ctx.now())
  const row = await makeKey(store, ctx.now())
  const ended = all.filter((_, index) => isOver(all[index + 1], ctx.now()))
  await store.write(async tx => {
    await lock(tx, CATALOGUE)
    await tx.insertInto('signalKey').values(row).execute()
    for (const { kid } of ended) await tx.deleteFrom('signalKey').where('kid', '=', kid).execute()
    const event = { organization: null, type: 'signal_key.created', actor: ctx.actor.id, target: row.kid }
    await record(tx, { ...event, detail: { removed: ended.map(({ kid }) => kid) } }, ctx.now())
  })
  return toSignalKey(row, active)
}

/** A key signed until the one after it had been published long enough; receivers may still read what it signed last. */
function isOver(next: KeyRow | undefined, now: number): boolean {
  return next !== undefined && Date.parse(next.createdAt) + KEY_SET_SECONDS * 1000 + TAIL_MS <= now
}

function toSignalKey({ kid, createdAt }: KeyRow, active: KeyRow): SignalKey {
  const isOlder = createdAt < active.createdAt
  return { kid, createdAt, status: kid === active.kid ? 'active' : isOlder ? 'retired' : 'next' }
}

/** All keys, the oldest first, and the one that signs: the newest that was published long enough. */
async function readKeys(store: Store, now: number): Promise<{ all: KeyRow[]; active: KeyRow }> {
  const all = await selectKeys(store.db)
  const known = all.filter(({ createdAt }) => Date.parse(createdAt) + KEY_SET_SECONDS * 1000 <= now)
  const active = known.at(-1) ?? all[0]
  return active ? { all, active } : makeFirst(store, now)
}

async function makeFirst(store: Store, now: number): Promise<{ all: KeyRow[]; active: KeyRow }> {
  const made = await makeKey(store, now)
  return store.write(async tx => {
    await lock(tx, CATALOGUE)
    const [known] = await selectKeys(tx)
    if (known) return { all: [known], active: known }
    await tx.insertInto('signalKey').values(made).execute()
    await record(
      tx,
      { organization: null, type: 'signal_key.created', actor: 'system', target: made.kid },
      now,
    )
    return { all: [made], active: made }
  })
}

function selectKeys(db: Db): Promise<KeyRow[]> {
  return db.selectFrom('signalKey').selectAll().orderBy('createdAt').orderBy('kid').execute()
}

const placeOf = (kid: string) => `signal_key:${kid}`

async function makeKey({ secrets }: Store, now: number): Promise<KeyRow> {
  const { privateKey } = await promisify(generateKeyPair)('rsa', { modulusLength: BITS })
  const { kty, n, e, ...secret } = privateKey.export({ format: 'jwk' })
  const kid = newId('signingKey', now)
  const publicJwk = { kty, n, e, kid, alg: ALGORITHM, use: 'sig' }
  return {
    kid,
    publicJwk: JSON.stringify(publicJwk),
    sealedPrivateJwk: secrets.seal(JSON.stringify({ ...publicJwk, ...secret }), placeOf(kid)),
    createdAt: isoTime(now),
  }
}

async function importKey({ secrets }: Store, { kid, sealedPrivateJwk }: KeyRow): Promise<CryptoKey> {
  return (await importJWK(
    JSON.parse(secrets.open(sealedPrivateJwk, placeOf(kid))) as JWK,
    ALGORITHM,
  )) as CryptoKey
}
