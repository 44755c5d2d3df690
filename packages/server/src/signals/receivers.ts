import { AppError, CATALOGUE, isId, isoTime, newId, newSecret } from '@valetkey/sdk/core'
import {
  type Context,
  checkAddress,
  getOrganization,
  type InputOf,
  lock,
  type OutputOf,
  quote,
  type Row,
  readOwnPage,
  recordBy,
  refuseDuplicate,
  timeOf,
} from '../directory/index.ts'
import { type Db, hashSecret, type Store, type Tx } from '../store/index.ts'
import type { EventName } from './happening.ts'
import {
  ALL_EVENTS,
  addVerification,
  changeStream,
  countWaiting,
  findStream,
  openStream,
  type ReceiverRow,
  removeStream,
  setStatus,
} from './streams.ts'

type Receiver = OutputOf<'signalReceivers', 'remove'>

/** `last used` is kept to the minute, so that reading does not become writing. */
const LAST_USED_STEP_MS = 60_000

async function read(db: Db, row: ReceiverRow): Promise<Receiver> {
  const { id, organizationId, name, audience, pushOrigin, subjects, createdAt, createdBy, lastUsedAt } = row
  const stream = await findStream(db, row)
  return {
    ...{ id, organization: organizationId, name, audience, pushOrigin, subjects },
    stream: stream
      ? {
          ...{ id: stream.id, status: stream.status, reason: stream.reason, delivery: stream.delivery },
          ...{ endpoint: stream.endpoint, description: stream.description, createdAt: stream.createdAt },
          ...{ lastDeliveredAt: stream.lastDeliveredAt, lastFault: stream.lastFault },
          events: JSON.parse(stream.events) as EventName[],
          waiting: await countWaiting(db, stream),
        }
      : null,
    ...{ createdAt, createdBy, lastUsedAt },
  }
}

export async function listReceivers(
  ctx: Context,
  input: InputOf<'signalReceivers', 'list'>,
): Promise<OutputOf<'signalReceivers', 'list'>> {
  const page = await readOwnPage(ctx, 'signalReceiver', input)
  return { items: await Promise.all(page.items.map(row => read(ctx.store.db, row))), next: page.next }
}

/** Lets somebody be told of what an organization takes back. Of its secret only the hash is kept. */
export async function createReceiver(
  ctx: Context,
  input: InputOf<'signalReceivers', 'create'>,
  issuer: string,
): Promise<OutputOf<'signalReceivers', 'create'>> {
  const organization = await getOrganization(ctx.store.db, input.organization)
  if (input.pushOrigin !== undefined) requireOrigin(input.pushOrigin)
  const id = newId('signalReceiver', ctx.now())
  const { secret, ...kept } = makeSecret(ctx)
  const row: ReceiverRow = {
    ...{ id, organizationId: organization.id, name: input.name, ...kept },
    audience: input.audience ?? `${issuer}/signals/receivers/${id}`,
    ...{ pushOrigin: input.pushOrigin ?? null, subjects: input.subjects },
    ...{ createdAt: timeOf(ctx), createdBy: ctx.actor.id, lastUsedAt: null },
  }
  const sentence = `There is a receiver ${quote(input.name)} in ${organization.slug} already.`
  return ctx.store.write(async tx => {
    await lock(tx, organization.id)
    await refuseDuplicate(tx.insertInto('signalReceiver').values(row).execute(), sentence)
    const { name, audience, pushOrigin, subjects } = row
    await recordBy(ctx, tx, {
      ...{ organization: organization.id, type: 'signal_receiver.created', target: id },
      detail: { name, audience, pushOrigin, subjects, credential: row.credentialId },
    })
    return { ...(await read(tx, row)), secret }
  })
}

/** Gives a receiver another secret; its stream and what waits stay. */
export async function rotateReceiverSecret(
  ctx: Context,
  input: InputOf<'signalReceivers', 'rotateSecret'>,
): Promise<OutputOf<'signalReceivers', 'rotateSecret'>> {
  const { secret, ...kept } = makeSecret(ctx)
  return change(ctx, input, async (tx, row) => {
    await tx.updateTable('signalReceiver').set(kept).where('id', '=', row.id).execute()
    const detail = { credential: kept.credentialId, before: row.credentialId }
    const event = { organization: row.organizationId, type: 'signal_receiver.secret_rotated', target: row.id }
    await recordBy(ctx, tx, { ...event, detail })
    return { ...(await read(tx, row)), secret }
  })
}

function makeSecret(ctx: Context) {
  const secret = newSecret('vk_signal')
  return { secret, credentialId: newId('credential', ctx.now()), secretHash: hashSecret(secret) }
}

function requireOrigin(address: string): void {
  checkAddress(address, 'pushOrigin')
  if (new URL(address).origin !== address)
    throw new AppError(
      'request.invalid',
      'Write scheme, host and port alone, as "https://siem.example.com".',
      {
        path: 'pushOrigin',
      },
    )
}

export async function removeReceiver(
  ctx: Context,
  input: InputOf<'signalReceivers', 'remove'>,
): Promise<Receiver> {
  return change(ctx, input, async (tx, row) => {
    const receiver = await read(tx, row)
    if (receiver.stream) await removeStream(ctx, tx, row)
    await tx.deleteFrom('signalReceiver').where('id', '=', row.id).execute()
    const event = { organization: row.organizationId, type: 'signal_receiver.removed', target: row.id }
    await recordBy(ctx, tx, { ...event, detail: { name: row.name } })
    return receiver
  })
}

/** Sets the stream of a receiver up for it, or has the one that it has go elsewhere. */
export async function startStream(
  ctx: Context,
  input: InputOf<'signalStreams', 'start'>,
  issuer: string,
): Promise<Receiver> {
  const { endpoint, authorization, description, events = ALL_EVENTS } = input
  return change(ctx, input, async (tx, row) => {
    const wish = { endpoint, authorization, description, events, issuer }
    await ((await findStream(tx, row)) ? changeStream : openStream)(ctx, tx, row, wish)
    return read(tx, row)
  })
}

export async function updateStream(
  ctx: Context,
  input: InputOf<'signalStreams', 'update'>,
  issuer: string,
): Promise<Receiver> {
  const { status, reason } = input
  return change(ctx, input, async (tx, row) => {
    await setStatus(ctx, tx, row, { status, reason, issuer, tellsReceiver: true })
    return read(tx, row)
  })
}

export async function verifyStream(
  ctx: Context,
  input: InputOf<'signalStreams', 'verify'>,
  issuer: string,
): Promise<Receiver> {
  return change(ctx, input, async (tx, row) => {
    await addVerification(ctx, tx, row, { issuer, state: undefined })
    const event = { organization: row.organizationId, type: 'signal_stream.verified', target: row.id }
    await recordBy(ctx, tx, event)
    return read(tx, row)
  })
}

/** Finds the receiver by id or name, in a transaction that holds its organization. */
async function change<T>(
  ctx: Context,
  { organization: ref, receiver }: { organization?: string | undefined; receiver: string },
  work: (tx: Tx, row: ReceiverRow) => Promise<T>,
): Promise<T> {
  const organization = await getOrganization(ctx.store.db, ref)
  return ctx.store.write(async tx => {
    // Before the organization, as whoever opens a stream takes them.
    await lock(tx, CATALOGUE)
    await lock(tx, organization.id)
    return work(tx, await getReceiver(tx, organization, receiver))
  })
}

async function getReceiver(
  db: Db,
  organization: Pick<Row<'organization'>, 'id' | 'slug'>,
  ref: string,
): Promise<ReceiverRow> {
  const found = await db
    .selectFrom('signalReceiver')
    .selectAll()
    .where('organizationId', '=', organization.id)
    .where(isId(ref, 'signalReceiver') ? 'id' : 'name', '=', ref)
    .executeTakeFirst()
  if (found) return found
  throw new AppError('not_found', `No receiver ${quote(ref)} in ${organization.slug}.`)
}

/** A receiver that shows a token, and so is in use. */
export async function useReceiver(store: Store, id: string, now: number): Promise<ReceiverRow | undefined> {
  const row = await store.db.selectFrom('signalReceiver').selectAll().where('id', '=', id).executeTakeFirst()
  if (row && (row.lastUsedAt === null || Date.parse(row.lastUsedAt) + LAST_USED_STEP_MS <= now))
    await store.db
      .updateTable('signalReceiver')
      .set({ lastUsedAt: isoTime(now) })
      .where('id', '=', row.id)
      .execute()
  return row
}
