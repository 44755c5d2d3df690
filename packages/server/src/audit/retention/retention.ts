import type { AdminApi, Output, Parsed } from '@valetkey/sdk/contract'
import { AppError, isoTime, newId } from '@valetkey/sdk/core'
import type { Db, Store, Tx } from '../../store/index.ts'
import type { Ledger } from '../ledger.ts'
import { findOrganization, findPrincipals } from '../question/resolve.ts'
import { record } from '../record.ts'
import { type Expiry, RETAINED, type Retained } from './expiry.ts'

type Evidence = AdminApi['evidence']
type Hold = Output<Evidence['hold']>

const DAY_MS = 24 * 3_600_000

/** How long evidence is kept, and what must be kept longer. */
export interface Retention {
  list(query: Parsed<Evidence['retention']>): Promise<Output<Evidence['retention']>>
  set(wish: Parsed<Evidence['setRetention']>, actor: string): Promise<Output<Evidence['setRetention']>>
  holds(query: Parsed<Evidence['holds']>): Promise<Output<Evidence['holds']>>
  hold(wish: Parsed<Evidence['hold']>, actor: string): Promise<Hold>
  release(wish: Parsed<Evidence['release']>, actor: string): Promise<Hold>
  /** Takes out what was kept for long enough and is not held; gives how many records that were. */
  expire(): Promise<number>
}

export function createRetention(parts: {
  store: Store
  ledger: Pick<Ledger, 'expire' | 'standStill'>
  now(): number
}): Retention {
  const { store, ledger, now } = parts
  return {
    list: ({ organization }) => listRetention(store.db, organization),
    set: (wish, actor) => setRetention(store, wish, { actor, now: now() }),
    holds: ({ organization }) => listHolds(store.db, organization),
    hold: (wish, actor) => placeHold(store, ledger, wish, { actor, now: now() }),
    release: (wish, actor) => releaseHold(store, wish, { actor, now: now() }),
    expire: () => expire(store, ledger, now()),
  }
}

type By = { actor: string; now: number }

async function listRetention(db: Db, name: string | undefined): Promise<Output<Evidence['retention']>> {
  const organization = name === undefined ? undefined : await findOrganization(db, name)
  let query = db.selectFrom('evidenceRetention').selectAll().orderBy('organizationId').orderBy('kind')
  if (organization !== undefined) query = query.where('organizationId', '=', organization)
  const rows = await query.execute()
  return {
    items: rows.map(({ organizationId, kind, days }) => ({
      organization: organizationId,
      records: kind,
      days,
    })),
  }
}

async function setRetention(
  store: Store,
  { organization: name, records: kind, days }: Parsed<Evidence['setRetention']>,
  { actor, now }: By,
): Promise<Output<Evidence['setRetention']>> {
  const organization = await findOrganization(store.db, name)
  await store.write(async tx => {
    const before = await tx
      .selectFrom('evidenceRetention')
      .select('days')
      .where('organizationId', '=', organization)
      .where('kind', '=', kind)
      .executeTakeFirst()
    await tx
      .deleteFrom('evidenceRetention')
      .where('organizationId', '=', organization)
      .where('kind', '=', kind)
      .execute()
    if (days !== null)
      await tx.insertInto('evidenceRetention').values({ organizationId: organization, kind, days }).execute()
    const detail = { records: kind, before: before?.days ?? null, after: days }
    await record(
      tx,
      { organization, type: 'evidence.retention_set', actor, target: organization, detail },
      now,
    )
  })
  return { organization, records: kind, days }
}

async function listHolds(db: Db, name: string | undefined): Promise<Output<Evidence['holds']>> {
  const organization = name === undefined ? undefined : await findOrganization(db, name)
  let query = db.selectFrom('evidenceHold').selectAll().orderBy('id')
  if (organization !== undefined) query = query.where('organizationId', '=', organization)
  return { items: (await query.execute()).map(toHold) }
}

async function placeHold(
  store: Store,
  ledger: Pick<Ledger, 'standStill'>,
  { organization: name, person: personName, reason }: Parsed<Evidence['hold']>,
  { actor, now }: By,
): Promise<Hold> {
  const organization = await findOrganization(store.db, name)
  const [person = null] =
    personName === undefined ? [] : await findPrincipals(store.db, 'person', personName, [organization])
  const row = {
    ...{ id: newId('hold', now), organizationId: organization, personId: person, reason },
    ...{ createdAt: isoTime(now), createdBy: actor, releasedAt: null },
  }
  await store.write(async tx => {
    await ledger.standStill(tx)
    await tx.insertInto('evidenceHold').values(row).execute()
    const detail = { person, reason }
    await record(tx, { organization, type: 'evidence.held', actor, target: row.id, detail }, now)
  })
  return toHold(row)
}

async function releaseHold(
  store: Store,
  { id, reason }: Parsed<Evidence['release']>,
  { actor, now }: By,
): Promise<Hold> {
  return store.write(async tx => {
    const released = await tx
      .updateTable('evidenceHold')
      .set({ releasedAt: isoTime(now) })
      .where('id', '=', id)
      .where('releasedAt', 'is', null)
      .returningAll()
      .executeTakeFirst()
    if (!released) throw new AppError('not_found', 'There is no such hold, or it was released before.')
    const { organizationId: organization } = released
    await record(tx, { organization, type: 'evidence.released', actor, target: id, detail: { reason } }, now)
    return toHold(released)
  })
}

function toHold(row: {
  id: string
  organizationId: string
  personId: string | null
  reason: string
  createdAt: string
  createdBy: string
  releasedAt: string | null
}): Hold {
  const { id, organizationId, personId, reason, createdAt, createdBy, releasedAt } = row
  return { id, organization: organizationId, person: personId, reason, createdAt, createdBy, releasedAt }
}

/** What has to go now, by the rules and holds of this moment. While all of an organization is held, nothing of it goes. */
async function expire(store: Store, ledger: Pick<Ledger, 'expire'>, now: number): Promise<number> {
  const rules = await store.db.selectFrom('evidenceRetention').selectAll().execute()
  let gone = 0
  for (const { organizationId, kind, days } of rules) {
    const holds = await standingHolds(store.db, organizationId)
    if (holds.some(({ personId }) => personId === null)) continue
    const held = holds.flatMap(({ personId }) => personId ?? [])
    const before = now - days * DAY_MS
    const expiry: Expiry = {
      ...{ log: organizationId, kinds: RETAINED[kind satisfies Retained], before, held },
      holds: holds.map(({ id }) => id),
    }
    const records = await ledger.expire([expiry])
    if (records === 0) continue
    gone += records
    const detail = { records: kind, count: records, before: isoTime(before) }
    await store.write(tx =>
      record(
        tx,
        {
          organization: organizationId,
          type: 'evidence.expired',
          actor: 'retention',
          target: organizationId,
          detail,
        },
        now,
      ),
    )
  }
  return gone
}

export function standingHolds(db: Db | Tx, organization: string) {
  return db
    .selectFrom('evidenceHold')
    .select(['id', 'personId', 'reason'])
    .where('organizationId', '=', organization)
    .where('releasedAt', 'is', null)
    .execute()
}
