import { AppError } from '@valetkey/sdk/core'
import type { Store, Tx } from '../store/index.ts'
import { fencedError, type Session } from './session.ts'

/**
 * Notes that the point holds an organization. Must be committed before the facts are read: then a barrier either sees
 * that the point holds it, and waits, or was over before, and the facts contain its change.
 */
export async function holdOrganization(store: Store, session: Session, organization: string): Promise<void> {
  await store.write(async tx => {
    const query = tx.selectFrom('organization').where('id', '=', organization).select('id')
    if (!(await query.executeTakeFirst()))
      throw new AppError('not_found', `There is no organization ${organization}.`)
    await lockStart(tx, session)
    await tx
      .insertInto('enforcementPointOrganization')
      .values({ pointId: session.point, organizationId: organization, acknowledgedRevision: 0 })
      .onConflict(conflict =>
        conflict.columns(['pointId', 'organizationId']).doUpdateSet({ acknowledgedRevision: 0 }),
      )
      .execute()
  })
}

/** Makes a later start of the point wait for this transaction, or finds that it has come already. */
async function lockStart(tx: Tx, session: Session): Promise<void> {
  const { numUpdatedRows } = await tx
    .updateTable('enforcementPoint')
    .set({ epoch: session.epoch })
    .where('id', '=', session.point)
    .where('sessionHash', '=', session.hash)
    .executeTakeFirst()
  if (numUpdatedRows === 0n) throw fencedError()
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
