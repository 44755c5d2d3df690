import { AppError, CATALOGUE, newId } from '@valetkey/sdk/core'
import { type Context, checkAddress, lock, quote, type Row, recordBy, timeOf } from '../directory/index.ts'
import type { Db, Tx } from '../store/index.ts'
import { catchUp, MOST_WAITING, streamUpdated } from './collect.ts'
import { VERIFICATION } from './event.ts'
import { EVENT_NAMES, type EventName } from './happening.ts'
import { enqueue, type StreamRow } from './queue.ts'

export type ReceiverRow = Row<'signalReceiver'>

/** What a stream is to be: pushed to an endpoint, or fetched. */
export interface StreamWish {
  endpoint: string | undefined
  authorization: string | undefined
  events: readonly EventName[]
  description: string
}

export const ALL_EVENTS: readonly EventName[] = EVENT_NAMES
/** Seconds between two verifications that a receiver may ask for. */
export const MIN_VERIFICATION_SECONDS = 10

export function findStream(db: Db, receiver: Pick<ReceiverRow, 'id'>): Promise<StreamRow | undefined> {
  return db.selectFrom('signalStream').selectAll().where('receiverId', '=', receiver.id).executeTakeFirst()
}

async function requireStream(db: Db, receiver: ReceiverRow): Promise<StreamRow> {
  const stream = await findStream(db, receiver)
  if (stream) return stream
  throw new AppError('not_found', `${quote(receiver.name)} has no stream.`)
}

/**
 * Opens the one stream of a receiver. What happens from now on is in it, nothing from before. Holds the organization's row, so
 * that the beginning lies between two revisions.
 */
export async function openStream(
  ctx: Context,
  tx: Tx,
  receiver: ReceiverRow,
  { issuer, ...wish }: StreamWish & { issuer: string },
) {
  await catchUpAndHold(ctx, tx, receiver, issuer)
  if (await findStream(tx, receiver))
    throw new AppError('conflict.exists', `${quote(receiver.name)} has a stream already.`)
  const id = newId('signalStream', ctx.now())
  const nothing = { failures: 0, nextTryAt: 0, claimedUntil: 0, sequence: 0, verifiedAt: 0 }
  await tx
    .insertInto('signalStream')
    .values({
      ...{ id, receiverId: receiver.id, organizationId: receiver.organizationId },
      ...{ status: 'enabled', reason: '', createdAt: timeOf(ctx), lastDeliveredAt: null, lastFault: null },
      ...nothing,
      ...columnsOf(ctx, receiver, id, wish),
    })
    .execute()
  for (const organization of [CATALOGUE, receiver.organizationId]) await followFromNow(tx, organization)
  await note(ctx, tx, receiver, 'opened', { ...wish, authorization: wish.authorization !== undefined })
}

async function followFromNow(tx: Tx, organizationId: string): Promise<void> {
  const { revision } = await tx
    .selectFrom('organization')
    .select('revision')
    .where('id', '=', organizationId)
    .executeTakeFirstOrThrow()
  await tx
    .insertInto('signalCursor')
    .values({ organizationId, revision })
    .onConflict(conflict => conflict.doNothing())
    .execute()
}

/** Has a stream go elsewhere, or tell of something else, from the next event on. */
export async function changeStream(
  ctx: Context,
  tx: Tx,
  receiver: ReceiverRow,
  { issuer, ...wish }: StreamWish & { issuer: string },
) {
  await catchUpAndHold(ctx, tx, receiver, issuer)
  const stream = await requireStream(tx, receiver)
  const values = { ...columnsOf(ctx, receiver, stream.id, wish), failures: 0, nextTryAt: 0, lastFault: null }
  await tx.updateTable('signalStream').set(values).where('id', '=', stream.id).execute()
  await note(ctx, tx, receiver, 'changed', { ...wish, authorization: wish.authorization !== undefined })
}

function columnsOf(ctx: Context, receiver: ReceiverRow, id: string, wish: StreamWish) {
  const { endpoint, authorization, events, description } = wish
  if (endpoint !== undefined) requireOwnEndpoint(receiver, endpoint)
  else if (authorization !== undefined)
    throw new AppError('request.invalid', 'Nothing is pushed that could carry an authorization.', {
      path: 'authorization',
    })
  return {
    delivery: endpoint === undefined ? ('poll' as const) : ('push' as const),
    endpoint: endpoint ?? null,
    sealedAuthorization:
      authorization === undefined ? null : ctx.store.secrets.seal(authorization, authorizationPlace(id)),
    events: JSON.stringify(ALL_EVENTS.filter(name => events.includes(name))),
    description,
  }
}

/** Where the header of what is pushed is sealed. */
export function authorizationPlace(stream: string): string {
  return `signal-stream:${stream}`
}

/** We go where an administrator has let the receiver have us go, and nowhere else in this network. */
function requireOwnEndpoint({ pushOrigin }: ReceiverRow, endpoint: string): void {
  checkAddress(endpoint, 'endpoint')
  if (pushOrigin !== null && new URL(endpoint).origin === pushOrigin) return
  throw new AppError(
    'request.invalid',
    pushOrigin === null
      ? 'This receiver fetches its events: nothing is pushed to it.'
      : `Events of this receiver are pushed to ${pushOrigin} alone.`,
    { path: 'endpoint' },
  )
}

/** Tells of all that both have changed until now whose changes a stream tells of, and holds them: what it is from here on counts for what comes. */
async function catchUpAndHold(
  ctx: Context,
  tx: Tx,
  { organizationId: organization }: ReceiverRow,
  issuer: string,
): Promise<void> {
  await lock(tx, CATALOGUE)
  await lock(tx, organization)
  await catchUp(tx, { organization, issuer, now: ctx.now() })
}

/** What is paused keeps what waits; what is disabled drops it, and is told nothing of what happens meanwhile. */
export async function setStatus(
  ctx: Context,
  tx: Tx,
  receiver: ReceiverRow,
  to: { status: StreamRow['status']; reason: string; issuer: string; tellsReceiver: boolean },
): Promise<void> {
  await lock(tx, CATALOGUE)
  await lock(tx, receiver.organizationId)
  const stream = await requireStream(tx, receiver)
  const { status, reason } = to
  if (stream.status === status && stream.reason === reason) return
  if (stream.status === 'disabled') await catchUpAndHold(ctx, tx, receiver, to.issuer)
  if (status === 'disabled') await tx.deleteFrom('signalEvent').where('streamId', '=', stream.id).execute()
  const values = { status, reason, failures: 0, nextTryAt: 0 }
  await tx.updateTable('signalStream').set(values).where('id', '=', stream.id).execute()
  const envelope = { issuer: to.issuer, audience: receiver.audience, now: ctx.now(), isControl: true }
  if (to.tellsReceiver) await enqueue(tx, stream, [streamUpdated(stream.id, status, reason)], envelope)
  await note(ctx, tx, receiver, status, { before: stream.status, reason })
}

/** Puts an event into the stream that says nothing but that it works (SSF 1.0 section 8.1.4). */
export async function addVerification(
  ctx: Context,
  tx: Tx,
  receiver: ReceiverRow,
  { issuer, state }: { issuer: string; state: string | undefined },
): Promise<void> {
  const { id } = await requireStream(tx, receiver)
  await tx.updateTable('signalStream').set({ verifiedAt: ctx.now() }).where('id', '=', id).execute()
  const subject = { format: 'opaque', id }
  const event = { type: VERIFICATION, subject, payload: state === undefined ? {} : { state } }
  await enqueue(tx, { id }, [event], { issuer, audience: receiver.audience, now: ctx.now(), isControl: true })
}

/** Ends a stream with all that waits in it; where it was the last one, the change log is followed no more. */
export async function removeStream(ctx: Context, tx: Tx, receiver: ReceiverRow): Promise<void> {
  await lock(tx, CATALOGUE)
  await lock(tx, receiver.organizationId)
  const stream = await requireStream(tx, receiver)
  await tx.deleteFrom('signalEvent').where('streamId', '=', stream.id).execute()
  await tx.deleteFrom('signalStream').where('id', '=', stream.id).execute()
  const left = await tx.selectFrom('signalStream').select('organizationId').distinct().execute()
  const ids = left.map(({ organizationId }) => organizationId)
  const followed = ids.length > 0 ? [CATALOGUE, ...ids] : ['']
  await tx.deleteFrom('signalCursor').where('organizationId', 'not in', followed).execute()
  await note(ctx, tx, receiver, 'removed', {})
}

/** How many events wait. */
export async function countWaiting(db: Db, { id }: Pick<StreamRow, 'id'>): Promise<number> {
  const { count } = await db
    .selectFrom('signalEvent')
    .select(eb => eb.fn.countAll<number>().as('count'))
    .where('streamId', '=', id)
    .executeTakeFirstOrThrow()
  return Math.min(Number(count), MOST_WAITING)
}

function note(ctx: Context, tx: Tx, { id, organizationId }: ReceiverRow, verb: string, detail: object) {
  return recordBy(ctx, tx, {
    ...{ organization: organizationId, type: `signal_stream.${verb}`, target: id },
    detail: JSON.parse(JSON.stringify(detail)),
  })
}
