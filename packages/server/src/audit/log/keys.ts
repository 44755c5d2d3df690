import { AppError, isoTime, type JsonObject, newId } from '@valetkey/sdk/core'
import {
  type Checkpoint,
  createNoteSigner,
  createNoteVerifier,
  type NoteSigner,
  newNoteSeed,
  publicKeyOf,
  signKeyStatement,
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
  /** What was said of each key when it came, oldest first. */
  statements: readonly string[]
  /** Changes with every rotation. */
  state: string
}

interface KeyRow {
  id: string
  publicKey: string
  sealedSeed: string
  state: 'active' | 'previous' | 'retired' | 'revoked'
  statement: string | null
}

/** Loads the keys; the first start makes one. */
export async function loadLogKeys(store: Store, now: () => number): Promise<LogKeys> {
  const rows = await store.write(async tx => {
    const known = await listKeys(tx)
    if (known.length > 0) return known
    await insertKey(store, tx, newNoteSeed(), { actor: 'system', now: now(), statement: null, detail: {} })
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

/** Why a key is made: `compromised` where somebody else may have those that sign now. */
export interface Rotation {
  actor: string
  compromised?: boolean | undefined
  reason?: string | undefined
}

/**
 * Makes a new key the one that signs. The one before vouches for it and goes on signing beside it until the next rotation;
 * where keys were stolen, none vouches for it, and it takes all of them back. What signs no more is erased.
 */
export async function rotateLogKey(
  store: Store,
  tx: Tx,
  { actor, compromised = false, reason }: Rotation,
  { prefix, at, now }: { prefix: string; at: Checkpoint; now: number },
): Promise<void> {
  // Locks the row, so that of two rotations at once the second does not pass over what the first has made.
  const active = await tx
    .updateTable('logKey')
    .set({ state: 'previous' })
    .where('state', '=', 'active')
    .returning(['id', 'publicKey', 'sealedSeed'])
    .executeTakeFirst()
  if (!active) throw new AppError('conflict.state', 'Another key was made at this moment. Try again.')
  const rows = await listKeys(tx)
  // Of the stolen ones all that were before: an old backup has older keys, and what took those back is taken back itself.
  const gone = compromised ? rows : rows.filter(({ id, state }) => state === 'previous' && id !== active.id)
  for (const { id } of gone)
    await tx
      .updateTable('logKey')
      .set({ state: compromised ? 'revoked' : 'retired', sealedSeed: '' })
      .where('id', '=', id)
      .execute()
  const revoked = compromised ? gone.map(({ publicKey }) => publicKey) : []
  const key = newNoteSeed()
  const statement = signKeyStatement(
    { prefix, at, revokes: revoked.map(publicKey => Buffer.from(publicKey, 'base64')) },
    { key, ...(!compromised && { follows: seedOf(store, active) }) },
  )
  const detail = { statement, revoked, ...(reason !== undefined && { reason }) }
  await insertKey(store, tx, key, { actor, now, statement, detail })
}

async function insertKey(
  store: Store,
  tx: Tx,
  seed: Buffer,
  made: { actor: string; now: number; statement: string | null; detail: JsonObject },
): Promise<void> {
  const { actor, now, statement, detail } = made
  const id = newId('logKey', now)
  const publicKey = publicKeyOf(seed).toString('base64')
  const sealedSeed = store.secrets.seal(seed.toString('base64'), `log-key:${id}`)
  // Of two nodes that start together one makes the key.
  const { numInsertedOrUpdatedRows } = await tx
    .insertInto('logKey')
    .values({ id, publicKey, sealedSeed, state: 'active', createdAt: isoTime(now), statement })
    .onConflict(conflict => conflict.doNothing())
    .executeTakeFirst()
  if (numInsertedOrUpdatedRows === 1n)
    await record(
      tx,
      { organization: null, type: 'log_key.created', actor, target: id, detail: { publicKey, ...detail } },
      now,
    )
}

function seedOf(store: Store, { id, sealedSeed }: Pick<KeyRow, 'id' | 'sealedSeed'>): Buffer {
  return Buffer.from(store.secrets.open(sealedSeed, `log-key:${id}`), 'base64')
}

async function listKeys(tx: Tx | Db): Promise<KeyRow[]> {
  const rows = await tx
    .selectFrom('logKey')
    .select(['id', 'publicKey', 'sealedSeed', 'state', 'statement'])
    .orderBy('createdAt', 'desc')
    .orderBy('id', 'desc')
    .execute()
  return rows as KeyRow[]
}

function toKeys(store: Store, rows: readonly KeyRow[]): LogKeys {
  const [active, previous] = ['active', 'previous'].map(wanted => rows.find(({ state }) => state === wanted))
  if (!active) throw new AppError('secret.unreadable', 'There is no key to sign the logs with.')
  const signing = [active, ...(previous ? [previous] : [])]
  const seeds = signing.map(row => seedOf(store, row))
  const sorted = [...signing, ...rows.filter(({ state }) => state === 'retired')]
  return {
    state: stateOf(rows),
    present: signing.map(({ publicKey }) => publicKey),
    statements: rows.flatMap(({ statement }) => statement ?? []).reverse(),
    signers: origin => seeds.map(seed => createNoteSigner(origin, 'ed25519', seed)),
    vkeys: origin =>
      sorted.map(
        ({ publicKey }) => createNoteVerifier(origin, 'ed25519', Buffer.from(publicKey, 'base64')).vkey,
      ),
  }
}
