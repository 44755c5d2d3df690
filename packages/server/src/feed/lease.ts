import { AppError, isoTime, type LeaseRequest, type LeaseResponse } from '@valetkey/sdk/core'
import type { Store, Tx } from '../store/index.ts'
import { fencedError, type Session } from './registration.ts'

export interface LeaseTerms {
  leaseMs: number
  dangerousLeaseMs: number
}

const ROWS_PER_INSERT = 500

/**
 * Lets a point go on deciding, and says up to where it must have applied the changes first.
 *
 * The order is what revocation rests on, as in Dekker's mutual exclusion: each side first writes, commits, and only
 * then reads what the other wrote.
 *
 *     point's renewal                      a revocation
 *     1. commit: lease runs until T        1. commit: head is R
 *     2. read: the heads                   2. read: leases and acknowledgements
 *
 * Whichever of the two commits is later, its reader sees the other's write. Either the revocation sees the lease and
 * waits until the point has acknowledged R or T has passed, or the renewal sees R and the lease holds only once R is
 * applied. With 2 before 1 both could miss each other: a lease that nobody waits for, on a replica that does not know R.
 * The two must be transactions of their own, since what an open transaction wrote nobody else sees.
 */
export async function renewLease(
  store: Store,
  session: Session,
  request: LeaseRequest,
  terms: LeaseTerms,
  now: number,
): Promise<LeaseResponse> {
  await store.write(async tx => {
    await extendLease(tx, session, (await store.clock(tx)) + terms.leaseMs, now)
    await writeAcknowledgements(tx, session.point, request)
  })
  return { ...terms, heads: await readHeads(store, session.point) }
}

async function extendLease(tx: Tx, session: Session, leaseUntil: number, now: number): Promise<void> {
  const { numUpdatedRows } = await tx
    .updateTable('enforcementPoint')
    .set({ leaseUntil, lastSeenAt: isoTime(now) })
    .where('id', '=', session.point)
    .where('sessionHash', '=', session.hash)
    .executeTakeFirst()
  if (numUpdatedRows === 0n) throw fencedError()
}

/** What a point says it has applied it also holds; what it names and nobody knows gets no head, and so no lease. */
async function writeAcknowledgements(tx: Tx, point: string, request: LeaseRequest): Promise<void> {
  const { applied, dropped } = request
  if (dropped.length > 0)
    await tx
      .deleteFrom('enforcementPointOrganization')
      .where('pointId', '=', point)
      .where('organizationId', 'in', dropped)
      .execute()
  const named = Object.keys(applied).filter(id => !dropped.includes(id))
  if (named.length === 0) return
  const known = await tx.selectFrom('organization').where('id', 'in', named).select('id').execute()
  const rows = known.map(({ id }) => ({
    pointId: point,
    organizationId: id,
    acknowledgedRevision: applied[id] ?? 0,
  }))
  for (let i = 0; i < rows.length; i += ROWS_PER_INSERT)
    await tx
      .insertInto('enforcementPointOrganization')
      .values(rows.slice(i, i + ROWS_PER_INSERT))
      .onConflict(conflict =>
        conflict.columns(['pointId', 'organizationId']).doUpdateSet(eb => ({
          acknowledgedRevision: eb.ref('excluded.acknowledgedRevision'),
        })),
      )
      .execute()
}

async function readHeads(store: Store, point: string): Promise<Record<string, number>> {
  const rows = await store.db
    .selectFrom('enforcementPointOrganization')
    .innerJoin('organization', 'organization.id', 'enforcementPointOrganization.organizationId')
    .where('pointId', '=', point)
    .select(['organization.id', 'organization.revision'])
    .execute()
  return Object.fromEntries(rows.map(row => [row.id, row.revision]))
}

/**
 * Notes that the point holds an organization. Must be committed before the facts are read: then a barrier either sees
 * that the point holds it, and waits, or was over before, and the facts contain its change.
 */
export async function holdOrganization(store: Store, session: Session, organization: string): Promise<void> {
  await store.write(async tx => {
    const known = await tx
      .selectFrom('organization')
      .where('id', '=', organization)
      .select('id')
      .executeTakeFirst()
    if (!known) throw new AppError('not_found', `There is no organization ${organization}.`)
    const { numUpdatedRows } = await tx
      .updateTable('enforcementPoint')
      .set({ sessionHash: session.hash })
      .where('id', '=', session.point)
      .where('sessionHash', '=', session.hash)
      .executeTakeFirst()
    if (numUpdatedRows === 0n) throw fencedError()
    await tx
      .insertInto('enforcementPointOrganization')
      .values({ pointId: session.point, organizationId: organization, acknowledgedRevision: 0 })
      .onConflict(conflict =>
        conflict.columns(['pointId', 'organizationId']).doUpdateSet({ acknowledgedRevision: 0 }),
      )
      .execute()
  })
}

/** Ends the lease of a point that says it decides nothing any more, so that nobody waits for it. */
export async function endLease(store: Store, session: Session): Promise<void> {
  await store.write(async tx => {
    await tx
      .updateTable('enforcementPoint')
      .set({ leaseUntil: 0 })
      .where('id', '=', session.point)
      .where('sessionHash', '=', session.hash)
      .execute()
  })
}
