import { isoTime, newId } from '@valetkey/sdk/core'
import type { Selectable } from 'kysely'
import { type Database, hashSecret, prepareQuery, type Store, type Tx } from '../../store/index.ts'

/** What a client waits for: the answer of whoever types its code, or of the person whom it names. */
export type WaitingKind = Database['waitingRequest']['kind']

/** What became of a request that nothing was given for: the person said no, or it was cancelled. */
type Refusal = 'denied' | 'cancelled'

/** What was given. */
export interface Given {
  grant: string
  scopes: readonly string[]
  isOffline: boolean
}

/** A request whose client comes again until a person has answered somewhere else. */
export interface WaitingRequest {
  readonly id: string
  readonly kind: WaitingKind
  readonly clientId: string
  /** The one who may answer; null for whoever has its code. */
  readonly person: string | null
  readonly params: Readonly<Record<string, string | undefined>>
  /** What the client wants to be shown beside it; its own words. */
  readonly message: string
  /** The address from which it came. */
  readonly askedFrom: string
  readonly createdAt: number
  readonly expiresAt: number
  readonly answer: Given | Refusal | null
  readonly isUsed: boolean
}

/** A client may come again so often, and a little sooner where its clock or the network makes it so (RFC 8628 §3.5). */
export const POLL_SECONDS = 5
const POLL_LEAST_MS = 4_000
/** For how long a request waits. */
export const WAIT_SECONDS = { device: 600, backchannel: 3_600 } as const

/** What oidc-provider hands over to be kept. */
interface Payload {
  clientId?: string
  accountId?: string
  params?: Record<string, string | undefined>
  userCode?: string
  deviceInfo?: { address?: string }
}

/** Keeps a request when it is made. Of what it is found by only hashes are kept. */
export function keepWaiting(store: Store, now: () => number, kind: WaitingKind) {
  return async (secret: string, given: Record<string, unknown>, expiresInSeconds = 0): Promise<void> => {
    const { clientId = '', accountId, params = {}, userCode, deviceInfo } = given as Payload
    const row = {
      ...{ id: newId('waitingRequest', now()), kind, secretHash: hashSecret(secret), clientId },
      userCodeHash: userCode === undefined ? null : hashSecret(userCode),
      personId: accountId ?? null,
      ...{ params: JSON.stringify(params), message: params['binding_message'] ?? '' },
      ...{ askedFrom: deviceInfo?.address ?? '', createdAt: isoTime(now()) },
      ...{ expiresAt: now() + expiresInSeconds * 1000, polledAt: 0, answer: null, usedAt: null },
    }
    await store.write(tx => tx.insertInto('waitingRequest').values(row).execute())
  }
}

type Row = Selectable<Database['waitingRequest']>

function toWaiting(row: Row | undefined): WaitingRequest | undefined {
  if (!row) return undefined
  const { id, kind, clientId, personId, params, message, askedFrom, createdAt, expiresAt, answer, usedAt } =
    row
  return {
    ...{ id, kind, clientId, person: personId, message, askedFrom },
    params: JSON.parse(params) as WaitingRequest['params'],
    createdAt: Date.parse(createdAt),
    expiresAt: Number(expiresAt),
    answer: answer === null ? null : (JSON.parse(answer) as Given | Refusal),
    isUsed: usedAt !== null,
  }
}

const bySecret = prepareQuery((db, { hash }: { hash: string }) =>
  db.selectFrom('waitingRequest').selectAll().where('secretHash', '=', hash),
)

/** By what its client comes again with. */
export async function findBySecret({ db }: Store, secret: string): Promise<WaitingRequest | undefined> {
  return toWaiting((await bySecret(db, { hash: hashSecret(secret) }))[0])
}

export async function findWaiting({ db }: Store, id: string): Promise<WaitingRequest | undefined> {
  return toWaiting(await db.selectFrom('waitingRequest').selectAll().where('id', '=', id).executeTakeFirst())
}

/** By the code that its client shows, in whatever way it is typed: the ones that are still to be answered. */
export async function findByUserCode(
  { db }: Store,
  typed: string,
  now: number,
): Promise<WaitingRequest | undefined> {
  const code = typed.toUpperCase().replace(/[^A-Z0-9]/g, '')
  const row = await db
    .selectFrom('waitingRequest')
    .selectAll()
    .where('userCodeHash', '=', hashSecret(code))
    .where('expiresAt', '>', now)
    .where('answer', 'is', null)
    .executeTakeFirst()
  return toWaiting(row)
}

/** What one person is asked, the oldest first. */
export async function listAsked({ db }: Store, person: string, now: number): Promise<WaitingRequest[]> {
  const rows = await db
    .selectFrom('waitingRequest')
    .selectAll()
    .where('personId', '=', person)
    .where('expiresAt', '>', now)
    .where('answer', 'is', null)
    .orderBy('id')
    .limit(50)
    .execute()
  return rows.flatMap(row => toWaiting(row) ?? [])
}

/** How much of what one person is asked comes from one client. */
export async function countAsked(
  { db }: Store,
  { person, client, now }: { person: string; client: string; now: number },
): Promise<number> {
  const { count } = await db
    .selectFrom('waitingRequest')
    .select(eb => eb.fn.countAll().as('count'))
    .where('personId', '=', person)
    .where('clientId', '=', client)
    .where('expiresAt', '>', now)
    .where('answer', 'is', null)
    .executeTakeFirstOrThrow()
  return Number(count)
}

/** Notes that its client has come again; false where it has come too soon. */
export async function notePoll(store: Store, id: string, now: number): Promise<boolean> {
  const { numUpdatedRows } = await store.write(tx =>
    tx
      .updateTable('waitingRequest')
      .set({ polledAt: now })
      .where('id', '=', id)
      .where('polledAt', '<=', now - POLL_LEAST_MS)
      .executeTakeFirstOrThrow(),
  )
  return numUpdatedRows === 1n
}

/** Answers a request that is not answered yet; false where somebody was faster, or it has expired. */
export async function answerWaiting(
  tx: Tx,
  id: string,
  answer: Given | Refusal,
  now: number,
): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('waitingRequest')
    .set({ answer: JSON.stringify(answer) })
    .where('id', '=', id)
    .where('answer', 'is', null)
    .where('expiresAt', '>', now)
    .executeTakeFirstOrThrow()
  return numUpdatedRows === 1n
}

/** Uses an answer up, in the commit that records its token; false where somebody was faster. */
export async function useAnswer(tx: Tx, id: string, now: number): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('waitingRequest')
    .set({ usedAt: isoTime(now) })
    .where('id', '=', id)
    .where('usedAt', 'is', null)
    .executeTakeFirstOrThrow()
  return numUpdatedRows === 1n
}
