import { AppError, isoTime, type JsonObject, newSecret, type RegisterRequest } from '@valetkey/sdk/core'
import { sql } from 'kysely'
import { findServerKey, recordBy } from '../directory/index.ts'
import { type Db, hashSecret, type Store, type Tx } from '../store/index.ts'
import { PROOF_SECONDS, type ProvenKey, verifyProof } from './proof.ts'
import { fencedId } from './session.ts'

export interface Registered {
  point: string
  epoch: number
  session: string
  server: { id: string; name: string; url: string }
  fingerprintKey: string
}

/** The column holds twice as many. */
const MOST_EPOCHS = 1_000_000_000
const FENCED_SECONDS = 7 * 24 * 3600

/**
 * Makes the caller the present start of its point and fences the one before: the counters of its records begin anew
 * under the next epoch, and the earlier session is of no use from now on.
 */
export async function registerPoint(
  store: Store,
  serverKey: string,
  request: RegisterRequest,
  at: { issuer: string; now: number },
): Promise<Registered> {
  if (request.lastEpoch > MOST_EPOCHS)
    throw new AppError('request.invalid', 'No enforcement point starts that often.', { path: 'lastEpoch' })
  const serverKeyHash = hashSecret(serverKey)
  await requireServerKey(store.db, serverKeyHash)
  const proven = await verifyProof(request, { ...at, serverKeyHash })
  return beginStart(store, { ...proven, serverKeyHash, request }, at.now)
}

type Proven = ProvenKey & {
  serverKeyHash: string
  request: Pick<RegisterRequest, 'kind' | 'version' | 'lastEpoch'>
}

/** Writes down the start of a point whose key is proven. */
export async function beginStart(store: Store, proven: Proven, now: number): Promise<Registered> {
  const session = newSecret('vk_ses')
  return store.write(async tx => {
    const key = await useServerKey(tx, proven.serverKeyHash, now)
    const proofId = `feed:${proven.point}:${proven.proofId}`
    if (!(await insertReplay(tx, proofId, now / 1000 + 2 * PROOF_SECONDS)))
      throw new AppError('auth.invalid', 'This proof was used before.')
    await fenceEarlierStart(tx, proven.point, now)
    const epoch = await insertStart(tx, { ...proven, key, sessionHash: hashSecret(session) }, now)
    await recordStart(store, tx, { ...proven, key, epoch }, now)
    const fingerprintKey = store.secrets.derive(`fingerprint ${key.server.id}`)
    return { point: proven.point, epoch, session, server: key.server, fingerprintKey }
  })
}

type UsedKey = NonNullable<Awaited<ReturnType<typeof findServerKey>>>

async function requireServerKey(db: Db, hash: string): Promise<UsedKey> {
  const known = await findServerKey(db, hash)
  if (!known) throw new AppError('auth.invalid', 'The server key is unknown or revoked.')
  return known
}

/** Locks the key's row, so that starts with the same key queue up. */
async function useServerKey(tx: Tx, hash: string, now: number): Promise<UsedKey> {
  await tx
    .updateTable('serverKey')
    .set({ lastUsedAt: isoTime(now) })
    .where('hash', '=', hash)
    .execute()
  return requireServerKey(tx, hash)
}

/** Notes an id that may be used once; false where it was there already. `expiresAt` is in seconds. */
async function insertReplay(tx: Tx, id: string, expiresAt: number): Promise<boolean> {
  const result = await tx
    .insertInto('replay')
    .values({ id, expiresAt: Math.ceil(expiresAt) })
    .onConflict(conflict => conflict.column('id').doNothing())
    .executeTakeFirst()
  return (result.numInsertedOrUpdatedRows ?? 0n) > 0n
}

/** What the earlier start held is forgotten; that it may go on deciding until its lease ends is not (`fenced_until`). */
async function fenceEarlierStart(tx: Tx, point: string, now: number): Promise<void> {
  const earlier = await tx
    .selectFrom('enforcementPoint')
    .where('id', '=', point)
    .select('sessionHash')
    .executeTakeFirst()
  if (!earlier) return
  await insertReplay(tx, fencedId(earlier.sessionHash), now / 1000 + FENCED_SECONDS)
  await tx.deleteFrom('enforcementPointOrganization').where('pointId', '=', point).execute()
}

/** By which key a point signs what it ships from now on: so that whoever has the log need not take our word for it. */
function recordStart(
  store: Store,
  tx: Tx,
  { point, publicJwk, key, epoch, request }: Proven & { key: UsedKey; epoch: number },
  now: number,
): Promise<void> {
  const actor = { id: key.id, name: key.id, permissions: [] }
  const { kind, version } = request
  const detail = { server: key.server.id, kind, version, epoch, publicJwk: { ...publicJwk } as JsonObject }
  const event = { organization: null, type: 'point.registered', target: point, detail }
  return recordBy({ store, actor, now: () => now }, tx, event)
}

async function insertStart(
  tx: Tx,
  start: Proven & { key: UsedKey; sessionHash: string },
  now: number,
): Promise<number> {
  const { point, publicJwk, sealingJwk, key, request, sessionHash } = start
  const present = {
    serverKeyId: key.id,
    kind: request.kind,
    publicJwk: JSON.stringify(publicJwk),
    sealingJwk: sealingJwk && JSON.stringify(sealingJwk),
    version: request.version,
    sessionHash,
    registeredAt: isoTime(now),
    lastSeenAt: isoTime(now),
    leaseUntil: 0,
  }
  const { lastEpoch } = request
  const first = { epoch: lastEpoch + 1, recordCounter: 0, recordGaps: 0 }
  const row = await tx
    .insertInto('enforcementPoint')
    .values({ ...present, ...first, id: point, serverId: key.server.id })
    .onConflict(conflict =>
      conflict
        .column('id')
        .doUpdateSet({
          ...present,
          epoch: sql<number>`case when enforcement_point.epoch > ${lastEpoch}
            then enforcement_point.epoch else ${lastEpoch} end + 1`,
          fencedUntil: sql<number>`case when enforcement_point.lease_until > enforcement_point.fenced_until
            then enforcement_point.lease_until else enforcement_point.fenced_until end`,
        })
        .where('enforcementPoint.serverId', '=', key.server.id),
    )
    .returning('epoch')
    .executeTakeFirst()
  if (!row) throw new AppError('conflict.exists', 'This key is registered with another MCP server.')
  return row.epoch
}
