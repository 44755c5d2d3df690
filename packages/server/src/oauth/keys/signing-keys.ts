import { AppError, CATALOGUE, isoTime } from '@valetkey/sdk/core'
import {
  type Context,
  type InputOf,
  lock,
  type OutputOf,
  quote,
  type WaitForPoints,
} from '../../directory/index.ts'
import { beginChange } from '../../store/index.ts'
import { createKeeper, earliestTurn, type KeyRing, type KeyRow, readKeyRing } from './signing-key.ts'

type SigningKey = OutputOf<'signingKeys', 'rotate'>

export async function listSigningKeys(ctx: Context): Promise<OutputOf<'signingKeys', 'list'>> {
  return { items: keysOf(await readKeyRing(ctx.store.db, ctx.now()), ctx.now()) }
}

/**
 * Lets the key in reserve sign, as soon as everybody knows it, and puts a new one in its place. The one before stays
 * until its last token has ended.
 */
export async function rotateSigningKey(
  ctx: Context,
  { urgent }: InputOf<'signingKeys', 'rotate'>,
): Promise<SigningKey> {
  const { store } = ctx
  return store.write(async tx => {
    await lock(tx, CATALOGUE)
    const now = ctx.now()
    const keys = createKeeper(store, tx, ctx.actor.id, now)
    const { active, coming, reserve } = await readKeyRing(tx, now)
    if (coming && !urgent)
      throw new AppError(
        'conflict.state',
        `The key ${quote(coming.kid)} is about to take over, at ${isoTime(Number(coming.activeFrom))}.`,
      )
    const next = coming ?? reserve ?? (await keys.add(active?.alg ?? 'ES256', null))
    await keys.giveTurn(next, earliestTurn(next, now, urgent))
    if (next !== coming) await keys.add(next.alg, null)
    return find(await readKeyRing(tx, now), next.kid, now)
  })
}

/**
 * Takes a key away at once: what it has signed is refused everywhere as soon as the enforcement points hear of it. Where it
 * was the one that signs, the next one takes over in the same moment.
 */
export async function retireSigningKey(
  ctx: Context,
  { waitMs, ...input }: InputOf<'signingKeys', 'retire'>,
  waitForPoints: WaitForPoints,
): Promise<OutputOf<'signingKeys', 'retire'>> {
  const { revision, ...key } = await takeSigningKey(ctx, input)
  return { ...key, barrier: waitMs > 0 ? await waitForPoints(CATALOGUE, revision, waitMs) : null }
}

/** Takes a key away, and says from which revision of the catalogue on it is gone. */
export async function takeSigningKey(
  ctx: Context,
  { kid, reason }: { kid: string; reason: string },
): Promise<SigningKey & { revision: number }> {
  const { store } = ctx
  return store.write(async tx => {
    await lock(tx, CATALOGUE)
    const now = ctx.now()
    const keys = createKeeper(store, tx, ctx.actor.id, now)
    const ring = await readKeyRing(tx, now)
    const { active, coming, reserve, retired } = ring
    const key = [active, coming, reserve, ...retired.map(({ key }) => key)].find(row => row?.kid === kid)
    if (!key) throw new AppError('not_found', `No signing key ${quote(kid)}.`)
    const gone = find(ring, kid, now)
    await keys.remove(key, reason)
    if (key === active) {
      const next = coming ?? reserve ?? (await keys.add(key.alg, null))
      await keys.giveTurn(next, now)
    }
    if (!(await readKeyRing(tx, now)).reserve) await keys.add(key.alg, null)
    const { revision } = await beginChange(tx, CATALOGUE, { actor: ctx.actor.id, now })
    return { ...gone, revision }
  })
}

function keysOf({ active, coming, reserve, retired }: KeyRing, now: number): SigningKey[] {
  const keys: SigningKey[] = []
  const add = (row: KeyRow | undefined, status: SigningKey['status'], endsAt: number | null = null) => {
    if (!row) return
    const { kid, alg, createdAt, activeFrom } = row
    const signsFrom = activeFrom === null ? null : isoTime(Number(activeFrom))
    keys.push({
      kid,
      algorithm: alg,
      status,
      createdAt,
      signsFrom,
      endsAt: endsAt === null ? null : isoTime(endsAt),
    })
  }
  add(reserve, 'next')
  add(coming, 'next')
  add(active, 'active')
  for (const { key, endsAt } of retired.toReversed()) if (endsAt > now) add(key, 'retired', endsAt)
  return keys
}

function find(ring: KeyRing, kid: string, now: number): SigningKey {
  const found = keysOf(ring, now).find(key => key.kid === kid)
  if (!found) throw new AppError('not_found', `No signing key ${quote(kid)}.`)
  return found
}
