import { CATALOGUE, CatalogueOp, OrganizationOp } from '@valetkey/sdk/core'
import { record } from '../audit/index.ts'
import type { Store, Tx } from '../store/index.ts'
import { type Cause, STREAM_UPDATED, toEvent } from './event.ts'
import { type EventName, type Happening, happeningsOf } from './happening.ts'
import { enqueue } from './queue.ts'

/** Facts that may mean something to a receiver; the log holds many others. */
const FACTS = [
  'grant',
  'link',
  'credential',
  'principal',
  'agent',
  'revoked_token',
  'organization',
  'environment',
]
const MOST_REVISIONS = 200
/** More than this never waits for a receiver that takes nothing. */
export const MOST_WAITING = 100_000

/**
 * Turns what the change log has gained into events for every stream of its organization. How far it came is written in
 * the same transaction as the events, so that each change becomes one event a stream, whatever stops and on however
 * many nodes it runs. What fails for one organization is told, and holds no other one up. Says whether there was anything.
 */
export async function collectEvents(
  store: Store,
  { onFault, ...by }: Omit<Round, 'organization'> & { onFault(fault: unknown): void },
): Promise<boolean> {
  const behind = await store.db
    .selectFrom('signalCursor')
    .innerJoin('organization', 'organization.id', 'signalCursor.organizationId')
    .whereRef('organization.revision', '!=', 'signalCursor.revision')
    .select('signalCursor.organizationId as id')
    .execute()
  for (const { id } of behind) await collectAll(store, { ...by, organization: id }).catch(onFault)
  return behind.length > 0
}

interface Round {
  organization: string
  issuer: string
  now: number
}

/**
 * Turns into events all that an organization and the catalogue have changed until now, for streams as they are now. For a
 * transaction that holds both: what it then changes of a stream counts from here on.
 */
export async function catchUp(tx: Tx, { organization, ...by }: Round): Promise<void> {
  for (const id of [CATALOGUE, organization]) {
    let isMore = true
    while (isMore) isMore = await collectSome(tx, { ...by, organization: id })
  }
}

async function collectAll(store: Store, round: Round): Promise<void> {
  let isMore = true
  while (isMore) isMore = await store.write(tx => collectSome(tx, round))
}

/** One portion; true where there is more. */
async function collectSome(tx: Tx, { organization, issuer, now }: Round): Promise<boolean> {
  const cursor = await tx
    .updateTable('signalCursor')
    .set(eb => ({ revision: eb.ref('revision') }))
    .where('organizationId', '=', organization)
    .returning('revision')
    .executeTakeFirst()
  if (!cursor) return false
  const { revision: head } = await tx
    .selectFrom('organization')
    .select('revision')
    .where('id', '=', organization)
    .executeTakeFirstOrThrow()
  const from = cursor.revision
  const to = Math.min(head, from + MOST_REVISIONS)
  // A database that was restored is behind what was told already.
  if (to > from) await tell(tx, { organization, issuer, now }, from, to)
  await tx
    .updateTable('signalCursor')
    .set({ revision: to })
    .where('organizationId', '=', organization)
    .execute()
  return to < head
}

async function tell(tx: Tx, round: Round, from: number, to: number): Promise<void> {
  const { organization, issuer, now } = round
  const streams = await streamsOf(tx, organization)
  if (streams.length === 0) return
  for (const { ops, cause } of await readLog(tx, organization, from, to)) {
    const known = new Map<string, Happening[]>()
    for (const stream of streams) {
      // What is frozen with everything is frozen in each organization.
      const own = stream.organizationId
      const happenings = known.get(own) ?? (await happeningsOf(tx, own, ops))
      known.set(own, happenings)
      const wanted = new Set(JSON.parse(stream.events) as EventName[])
      const events = happenings
        .filter(({ event }) => wanted.has(event))
        .map(happening => toEvent(happening, cause, { issuer, subjects: stream.subjects }))
      await enqueue(tx, stream, events, { issuer, audience: stream.audience, now })
    }
  }
  for (const stream of streams) await disableIfFull(tx, stream, round)
}

function streamsOf(tx: Tx, organization: string) {
  let query = tx
    .selectFrom('signalStream')
    .innerJoin('signalReceiver', 'signalReceiver.id', 'signalStream.receiverId')
    .selectAll('signalStream')
    .select(['signalReceiver.audience', 'signalReceiver.subjects'])
    .where('signalStream.status', '!=', 'disabled')
    .orderBy('signalStream.id')
  if (organization !== CATALOGUE) query = query.where('signalStream.organizationId', '=', organization)
  return query.execute()
}

async function readLog(
  tx: Tx,
  organization: string,
  from: number,
  to: number,
): Promise<{ ops: (CatalogueOp | OrganizationOp)[]; cause: Cause }[]> {
  const rows = await tx
    .selectFrom('changeLog')
    .select(['revision', 'fact', 'factId', 'value', 'actor', 'at'])
    .where('organizationId', '=', organization)
    .where('revision', '>', from)
    .where('revision', '<=', to)
    .where('fact', 'in', FACTS)
    .orderBy('revision')
    .orderBy('ord')
    .execute()
  const schema = organization === CATALOGUE ? CatalogueOp : OrganizationOp
  const found = new Map<number, { ops: (CatalogueOp | OrganizationOp)[]; cause: Cause }>()
  for (const { revision, fact, factId: id, value, actor, at } of rows) {
    const cause = { at: Date.parse(at), actor, txn: `${organization}.${revision}` }
    const change = found.get(revision) ?? { ops: [], cause }
    found.set(revision, change)
    change.ops.push(schema.parse({ fact, id, value: value === null ? null : JSON.parse(value) }))
  }
  return [...found.values()]
}

/** A receiver that takes nothing does not fill the database: its stream ends, on record, and it is told so. */
async function disableIfFull(
  tx: Tx,
  stream: Awaited<ReturnType<typeof streamsOf>>[number],
  { issuer, now }: Round,
): Promise<void> {
  const { oldest, newest } = await tx
    .selectFrom('signalEvent')
    .select(eb => [eb.fn.min('sequence').as('oldest'), eb.fn.max('sequence').as('newest')])
    .where('streamId', '=', stream.id)
    .executeTakeFirstOrThrow()
  if (Number(newest) - Number(oldest) < MOST_WAITING) return
  const reason = `More than ${MOST_WAITING} events were waiting.`
  await tx.deleteFrom('signalEvent').where('streamId', '=', stream.id).execute()
  await tx
    .updateTable('signalStream')
    .set({ status: 'disabled', reason })
    .where('id', '=', stream.id)
    .execute()
  await enqueue(tx, stream, [streamUpdated(stream.id, 'disabled', reason)], {
    ...{ issuer, audience: stream.audience, now, isControl: true },
  })
  const { organizationId, receiverId } = stream
  const event = { organization: organizationId, type: 'signal_stream.disabled', actor: 'system' }
  await record(tx, { ...event, target: receiverId, detail: { reason } }, now)
}

/** Tells a receiver that its stream was paused, stopped or taken up again by us (SSF 1.0 section 8.1.5). */
export function streamUpdated(stream: string, status: string, reason: string) {
  return {
    type: STREAM_UPDATED,
    subject: { format: 'opaque', id: stream },
    payload: { status, ...(reason !== '' && { reason }) },
  }
}
