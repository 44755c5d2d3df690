import { createPrivateKey, generateKeyPairSync, type JsonWebKey, sign } from 'node:crypto'
import { CATALOGUE, isoTime, newId } from '@valetkey/sdk/core'
import type { JWK } from 'jose'
import { record } from '../../audit/index.ts'
import { lock, type Row, signingKeyFact } from '../../directory/index.ts'
import { beginChange, type Db, type Store, type Tx } from '../../store/index.ts'

/** How access tokens are signed. */
export type TokenAlgorithm = 'ES256' | 'EdDSA'

export type KeyRow = Row<'signingKey'>

/** How long the key set may be kept by whoever fetched it. */
export const KEY_SET_SECONDS = 300
/**
 * How long a key is published before it signs. Enforcement points are told at once; others look again when what they have is
 * old: our own five minutes, and the ten for which libraries keep a key set by themselves (jose).
 */
const LEAD_MS = (KEY_SET_SECONDS + 600) * 1000
/** When it is urgent: twice the longest lease, so that every enforcement point that may decide knows it. */
const URGENT_LEAD_MS = 10_000
/** How long a key stays that signs no more: the longest that a token lives, and a minute between clocks. */
const TAIL_MS = 16 * 60_000

/** The keys as they stand: which one signs, which one follows, and which ones only verify what they once signed. */
export interface KeyRing {
  active: KeyRow | undefined
  /** Has its turn, which is still to come. */
  coming: KeyRow | undefined
  reserve: KeyRow | undefined
  /** With the time at which the last of its tokens has ended. */
  retired: { key: KeyRow; endsAt: number }[]
}

export async function readKeyRing(db: Db, now: number): Promise<KeyRing> {
  const rows = await db.selectFrom('signingKey').selectAll().orderBy('activeFrom').orderBy('kid').execute()
  const taken = rows.filter(row => row.activeFrom !== null)
  const begun = taken.filter(row => Number(row.activeFrom) <= now)
  const retired = begun.slice(0, -1).map((key, i) => {
    const endsAt = Number(begun[i + 1]?.activeFrom) + TAIL_MS
    return { key, endsAt }
  })
  return {
    active: begun.at(-1),
    coming: taken.at(begun.length),
    reserve: rows.find(row => row.activeFrom === null),
    retired,
  }
}

/** The public keys that access tokens are or may soon be signed with, and those whose tokens may still live. */
export async function readPublicKeys(store: Store): Promise<{ keys: JWK[] }> {
  const rows = await store.db.selectFrom('signingKey').select('publicJwk').orderBy('kid', 'desc').execute()
  return { keys: rows.map(row => JSON.parse(row.publicJwk) as JWK) }
}

/**
 * Sees to it that there is a key that signs and one in reserve. A change of the algorithm is a change of keys like any
 * other. Nodes that start at once queue up behind one another.
 */
export async function ensureSigningKeys(store: Store, algorithm: TokenAlgorithm, now: number): Promise<void> {
  await store.write(async tx => {
    await lock(tx, CATALOGUE)
    const keys = createKeeper(store, tx, 'system', now)
    const { active, coming, reserve } = await readKeyRing(tx, now)
    if (!active && !coming) await keys.add(algorithm, now)
    if (reserve && reserve.alg !== algorithm) await keys.remove(reserve)
    const waiting = reserve?.alg === algorithm ? reserve : await keys.add(algorithm, null)
    const newest = coming ?? active
    if (!newest || newest.alg === algorithm) return
    const afterComing = Number(coming?.activeFrom ?? 0) + 1
    await keys.giveTurn(waiting, Math.max(afterComing, earliestTurn(waiting, now, false)))
    await keys.add(algorithm, null)
  })
}

/** When the key in reserve may begin to sign. */
export function earliestTurn({ createdAt }: KeyRow, now: number, isUrgent: boolean): number {
  return Math.max(now, Date.parse(createdAt) + (isUrgent ? URGENT_LEAD_MS : LEAD_MS))
}

/** Changes keys within a transaction, so that enforcement points are told and the record says who did it. */
export function createKeeper(store: Store, tx: Tx, actor: string, now: number) {
  const note = (type: string, kid: string, detail: { [name: string]: string | null }) =>
    record(tx, { organization: null, type, actor, target: kid, detail }, now)
  return {
    async add(alg: TokenAlgorithm, activeFrom: number | null): Promise<KeyRow> {
      const row = makeKey(store, alg, activeFrom, now)
      await tx.insertInto('signingKey').values(row).execute()
      const change = await beginChange(tx, CATALOGUE, { actor, now })
      await change.log({ fact: 'signing_key', id: row.kid, value: signingKeyFact(row) })
      await note('signing_key.created', row.kid, {
        alg,
        signsFrom: activeFrom === null ? null : isoTime(activeFrom),
      })
      return row
    },
    /** Nothing for enforcement points: they know the key. The revision tells the other nodes. */
    async giveTurn({ kid }: KeyRow, activeFrom: number): Promise<void> {
      await beginChange(tx, CATALOGUE, { actor, now })
      await tx.updateTable('signingKey').set({ activeFrom }).where('kid', '=', kid).execute()
      await note('signing_key.scheduled', kid, { signsFrom: isoTime(activeFrom) })
    },
    async remove({ kid }: KeyRow, reason = ''): Promise<void> {
      const change = await beginChange(tx, CATALOGUE, { actor, now })
      await tx.deleteFrom('signingKey').where('kid', '=', kid).execute()
      await change.log({ fact: 'signing_key', id: kid, value: null })
      await note('signing_key.removed', kid, { reason })
    },
  }
}

/** Removes the keys of which no token lives any more. */
export async function removeEndedKeys(store: Store, now: number): Promise<void> {
  const ended = (ring: KeyRing) => ring.retired.filter(({ endsAt }) => endsAt <= now)
  if (ended(await readKeyRing(store.db, now)).length === 0) return
  await store.write(async tx => {
    await lock(tx, CATALOGUE)
    const keys = createKeeper(store, tx, 'system', now)
    for (const { key } of ended(await readKeyRing(tx, now)))
      await keys.remove(key, 'none of its tokens lives')
  })
}

/** A key that can sign. Its private part leaves this process only sealed. */
export interface SigningKey {
  readonly kid: string
  readonly alg: TokenAlgorithm
  readonly activeFrom: number
  sign(text: string): string
}

/** The keys that sign, or will, in the order of their turns. */
export async function openSigningKeys({ db, secrets }: Store): Promise<SigningKey[]> {
  const rows = await db
    .selectFrom('signingKey')
    .selectAll()
    .where('activeFrom', 'is not', null)
    .orderBy('activeFrom')
    .orderBy('kid')
    .execute()
  return rows.map(({ kid, alg, activeFrom, sealedPrivateJwk }) => {
    const jwk = JSON.parse(secrets.open(sealedPrivateJwk, `signing_key:${kid}`)) as JsonWebKey
    const key = createPrivateKey({ key: jwk, format: 'jwk' })
    return {
      kid,
      alg,
      activeFrom: Number(activeFrom),
      // Synchronously: cheaper than a trip to the thread pool, and tens of microseconds at most.
      sign(text) {
        const data = Buffer.from(text)
        const signature = alg === 'ES256' ? toFixedWidth(sign('sha256', data, key)) : sign(null, data, key)
        return signature.toString('base64url')
      },
    }
  })
}

const WIDTH = 32

/**
 * Both numbers of a P-256 signature side by side, as JWS has it (RFC 7518 §3.4), out of the DER that OpenSSL makes. Node does it
 * too (`dsaEncoding`), which costs as much as the signature itself.
 */
export function toFixedWidth(der: Buffer): Buffer {
  const fixed = Buffer.alloc(2 * WIDTH)
  let at = 2
  for (const end of [WIDTH, 2 * WIDTH]) {
    const length = der[at + 1] ?? 0
    const start = at + 2
    at = start + length
    // A number is as long as it needs to be, with a zero in front where its first bit is set.
    const kept = Math.min(length, WIDTH)
    der.copy(fixed, end - kept, at - kept, at)
  }
  return fixed
}

function makeKey({ secrets }: Store, alg: TokenAlgorithm, activeFrom: number | null, now: number): KeyRow {
  const { privateKey } =
    alg === 'ES256' ? generateKeyPairSync('ec', { namedCurve: 'P-256' }) : generateKeyPairSync('ed25519')
  const { d, ...bare } = privateKey.export({ format: 'jwk' })
  const kid = newId('signingKey', now)
  const publicJwk = { ...bare, kid, alg, use: 'sig' }
  return {
    kid,
    alg,
    publicJwk: JSON.stringify(publicJwk),
    sealedPrivateJwk: secrets.seal(JSON.stringify({ ...publicJwk, d }), `signing_key:${kid}`),
    createdAt: isoTime(now),
    activeFrom,
  }
}
