import { createHmac, timingSafeEqual } from 'node:crypto'
import { isId, isoTime, newId } from '@valetkey/sdk/core'
import { type Selectable, sql } from 'kysely'
import { record } from '../../audit/index.ts'
import { type Database, prepareQuery, type Store, type Tx } from '../../store/index.ts'
import type { ActingToken } from './acting-token.ts'

/** Derives refresh tokens; all nodes share it. */
export type RefreshKey = string

/** For this time after a renewal its successor stays the last one, and the token before it is as good. */
export const GRACE_MS = 30_000
/** The longest that anybody stays without coming back. */
const IDLE_MS = 90 * 24 * 60 * 60_000

const PREFIX = 'vk_rt_'

export type Family = Selectable<Database['refreshFamily']>

interface FamilyOptions {
  store: Store
  refreshKey: RefreshKey
  now: () => number
}

/** Starts a family, and gives its first token. No token is kept anywhere: each is derived from family and number. */
export async function beginFamily(
  { refreshKey, now }: FamilyOptions,
  tx: Tx,
  { claims, grant }: Pick<ActingToken, 'claims' | 'grant'>,
  { scopes, jkt }: { scopes: readonly string[]; jkt: string | null },
): Promise<string> {
  const id = newId('refreshFamily', now())
  const row = {
    ...{ id, organizationId: claims.org, clientId: claims.client_id, grantId: grant.id },
    ...{ audience: claims.aud, scopes: JSON.stringify(scopes), jkt, counter: 1, rotatedAt: 0 },
    ...{ createdAt: isoTime(now()), expiresAt: grant.expiresAt ?? now() + IDLE_MS, revokedAt: null },
  }
  await tx.insertInto('refreshFamily').values(row).execute()
  return tokenOf(refreshKey, id, 1)
}

export function tokenOf(key: RefreshKey, family: string, counter: number): string {
  return `${PREFIX}${family}.${counter}.${markOf(key, family, counter)}`
}

function markOf(key: RefreshKey, family: string, counter: number): string {
  return createHmac('sha256', key).update(`refresh\n${family}\n${counter}`).digest('base64url')
}

export function looksLikeRefreshToken(token: string): boolean {
  return token.startsWith(PREFIX)
}

/** Family and number of a token that was made here; undefined for every other text. */
export function readRefreshToken(
  key: RefreshKey,
  token: string,
): { family: string; counter: number } | undefined {
  const [family = '', digits = '', mark = ''] = token.slice(PREFIX.length).split('.')
  if (!looksLikeRefreshToken(token) || !isId(family, 'refreshFamily') || !/^\d{1,10}$/.test(digits))
    return undefined
  const counter = Number(digits)
  const wanted = Buffer.from(markOf(key, family, counter))
  const given = Buffer.from(mark)
  return wanted.length === given.length && timingSafeEqual(wanted, given) ? { family, counter } : undefined
}

const findRow = prepareQuery((db, { id }: { id: string }) =>
  db
    .selectFrom('refreshFamily')
    .select(['id', 'organizationId', 'clientId', 'grantId', 'audience', 'scopes', 'jkt'])
    .select(['counter', 'rotatedAt', 'createdAt', 'expiresAt', 'revokedAt'])
    .where('id', '=', id),
)

export async function findFamily({ db }: Pick<Store, 'db'>, id: string): Promise<Family | undefined> {
  const [row] = await findRow(db, { id })
  return row
}

/** What of a family never changes. */
export type FamilyTerms = Pick<
  Family,
  'id' | 'organizationId' | 'clientId' | 'grantId' | 'audience' | 'jkt'
> & {
  readonly scopes: readonly string[]
}

/** So many are kept; the oldest makes room. */
const MOST_KEPT = 10_000

/** Finds what a family is for. Whether it still is, its next renewal says. */
export function createTermsLookup(store: Store): (id: string) => Promise<FamilyTerms | undefined> {
  const kept = new Map<string, FamilyTerms>()
  return async id => {
    const known = kept.get(id)
    if (known) return known
    const row = await findFamily(store, id)
    if (!row) return undefined
    const { organizationId, clientId, grantId, audience, jkt } = row
    const scopes = JSON.parse(row.scopes) as string[]
    if (kept.size >= MOST_KEPT) kept.delete(kept.keys().next().value ?? '')
    kept.set(id, { id, organizationId, clientId, grantId, audience, jkt, scopes })
    return kept.get(id)
  }
}

/** What became of a token that was presented. */
export type Renewal = { kind: 'renewed'; counter: number } | { kind: 'reused' } | { kind: 'ended' }

interface Move {
  [name: string]: string | number
  id: string
  counter: number
  next: number
  now: number
  /** The last time that it moved on lies before this (ms): nobody comes late from then any more. */
  settled: number
}

/** Moves a live family on if it is this token's turn; either way says where it stands. */
const moveOn = prepareQuery((db, { id, counter, next, now, settled }: Move) => {
  const isTurn = sql<boolean>`counter = ${counter} and rotated_at < ${settled}`
  return db
    .updateTable('refreshFamily')
    .set({
      counter: sql<number>`case when ${isTurn} then ${next} else counter end`,
      rotatedAt: sql<number>`case when ${isTurn} then ${now} else rotated_at end`,
    })
    .where('id', '=', id)
    .where('revokedAt', 'is', null)
    .where('expiresAt', '>', now)
    .returning(['counter', 'rotatedAt', 'expiresAt', 'revokedAt'])
})

/**
 * Uses a token up. Of many at once one moves the family on, in one statement; the others, and whoever did not get the
 * answer, find the same successor for a short while. So do processes of one client that share a token and come one after
 * the other: meanwhile the successor itself moves nothing on. Later it is reuse: somebody has a copy, and the family ends.
 */
export async function renew(
  tx: Tx,
  { family: id, counter }: { family: string; counter: number },
  now: number,
): Promise<Renewal> {
  const move = { id, counter, next: counter + 1, now, settled: now - GRACE_MS }
  const [stands] = await moveOn(tx, move)
  if (!stands) return { kind: 'ended' }
  return isCurrent(stands, counter, now)
    ? { kind: 'renewed', counter: Number(stands.counter) }
    : { kind: 'reused' }
}

/** Whether a token of this number is good: it is its turn, or was a moment ago. */
export function isCurrent(
  family: Pick<Family, 'counter' | 'rotatedAt' | 'expiresAt' | 'revokedAt'>,
  counter: number,
  now: number,
): boolean {
  if (family.revokedAt !== null || Number(family.expiresAt) <= now) return false
  const current = Number(family.counter)
  return counter === current || (counter === current - 1 && now - Number(family.rotatedAt) <= GRACE_MS)
}

/** Ends a family: none of its tokens is good any more. */
export async function endFamily(
  { store, now }: FamilyOptions,
  family: Pick<Family, 'id' | 'organizationId' | 'grantId' | 'clientId'>,
  by: { agent: string; reason: string },
): Promise<void> {
  await store.write(async tx => {
    const { numUpdatedRows } = await tx
      .updateTable('refreshFamily')
      .set({ revokedAt: isoTime(now()) })
      .where('id', '=', family.id)
      .where('revokedAt', 'is', null)
      .executeTakeFirstOrThrow()
    if (numUpdatedRows === 0n) return
    const event = { organization: family.organizationId, type: 'refresh_family.ended', actor: by.agent }
    const detail = { reason: by.reason, grant: family.grantId, client: family.clientId }
    await record(tx, { ...event, target: family.id, detail }, now())
  })
}
