import { AppError, isoTime, newId } from '@valetkey/sdk/core'
import {
  createNoteSigner,
  createNoteVerifier,
  type NoteSigner,
  newNoteSeed,
  publicKeyOf,
} from '@valetkey/sdk/evidence'
import type { Db, Store, Tx } from '../../store/index.ts'
import { record } from '../record.ts'

/** The keys that checkpoints are signed with. After a rotation both sign, until the next one: whoever knows one can go on. */
export interface LogKeys {
  /** Signers for a log, the present key first. */
  signers(origin: string): NoteSigner[]
  /** How the keys of a log are given to others, also those that sign no more. */
  vkeys(origin: string): string[]
  /** The public keys that sign at present, base64. */
  present: readonly string[]
  /** Changes with every rotation. */
  state: string
}

interface KeyRow {
  id: string
  publicKey: string
  sealedSeed: string
  state: 'active' | 'previous' | 'retired'
}

/** Loads the keys; the first start makes one. */
export async function loadLogKeys(store: Store, now: () => number): Promise<LogKeys> {
  const rows = await store.write(async tx => {
    const known = await listKeys(tx)
    if (known.length > 0) return known
    await insertKey(store, tx, 'system', now())
    return listKeys(tx)
  })
  return toKeys(store, rows)
}

/** The keys as they are now: another node may have made a new one. */
export async function reloadLogKeys(store: Store, known: LogKeys): Promise<LogKeys> {
  const rows = await listKeys(store.db)
  return stateOf(rows) === known.state ? known : toKeys(store, rows)
}

function stateOf(rows: readonly KeyRow[]): string {
  return rows.map(({ id, state }) => `${id} ${state}`).join('\n')
}

/** Makes a new key the one that signs. The one before goes on signing beside it until the next rotation. */
export async function rotateLogKey(store: Store, tx: Tx, actor: string, now: number): Promise<void> {
  await tx.updateTable('logKey').set({ state: 'retired' }).where('state', '=', 'previous').execute()
  await tx.updateTable('logKey').set({ state: 'previous' }).where('state', '=', 'active').execute()
  await insertKey(store, tx, actor, now)
}

async function insertKey(store: Store, tx: Tx, actor: string, now: number): Promise<void> {
  const id = newId('logKey', now)
  const seed = newNoteSeed()
  const publicKey = publicKeyOf(seed).toString('base64')
  const sealedSeed = store.secrets.seal(seed.toString('base64'), `log-key:${id}`)
  // Of two nodes that start together one makes the key.
  const { numInsertedOrUpdatedRows } = await tx
    .insertInto('logKey')
    .values({ id, publicKey, sealedSeed, state: 'active', createdAt: isoTime(now) })
    .onConflict(conflict => conflict.doNothing())
    .executeTakeFirst()
  if (numInsertedOrUpdatedRows === 1n)
    await record(
      tx,
      { organization: null, type: 'log_key.created', actor, target: id, detail: { publicKey } },
      now,
    )
}

async function listKeys(tx: Tx | Db): Promise<KeyRow[]> {
  const rows = await tx
    .selectFrom('logKey')
    .select(['id', 'publicKey', 'sealedSeed', 'state'])
    .orderBy('createdAt', 'desc')
    .orderBy('id', 'desc')
    .execute()
  return rows as KeyRow[]
}

function toKeys(store: Store, rows: readonly KeyRow[]): LogKeys {
  const order = ['active', 'previous', 'retired']
  const sorted = rows.toSorted((a, b) => order.indexOf(a.state) - order.indexOf(b.state))
  const seeds = sorted
    .filter(({ state }) => state !== 'retired')
    .map(({ id, sealedSeed }) => Buffer.from(store.secrets.open(sealedSeed, `log-key:${id}`), 'base64'))
  if (seeds.length === 0) throw new AppError('secret.unreadable', 'There is no key to sign the logs with.')
  return {
    state: stateOf(rows),
    present: sorted.filter(({ state }) => state !== 'retired').map(({ publicKey }) => publicKey),
    signers: origin => seeds.map(seed => createNoteSigner(origin, 'ed25519', seed)),
    vkeys: origin =>
      sorted.map(
        ({ publicKey }) => createNoteVerifier(origin, 'ed25519', Buffer.from(publicKey, 'base64')).vkey,
      ),
  }
}
