import type { Tx } from '../../store/index.ts'

/**
 * Ends every session of a person, in the transaction that says why: each carries the number that is raised here. Links
 * that were mailed to sign in by are void too.
 */
export async function endSessions(tx: Tx, person: string): Promise<void> {
  await tx
    .updateTable('principal')
    .set(eb => ({ sessionEpoch: eb('sessionEpoch', '+', 1) }))
    .where('id', '=', person)
    .execute()
  await tx.deleteFrom('signInLink').where('personId', '=', person).execute()
}

/** Makes void what was mailed to a person, or handed to them, to sign in by or to set a password by. */
export async function takeMailedBack(tx: Tx, person: string): Promise<void> {
  await tx.deleteFrom('signInLink').where('personId', '=', person).execute()
  await tx.deleteFrom('invitation').where('personId', '=', person).where('usedAt', 'is', null).execute()
}

/**
 * Queues up behind other changes to how a person signs in. False where one was made since the person was read, which its
 * number tells.
 */
export async function holdSessions(tx: Tx, { id, epoch }: { id: string; epoch: number }): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('principal')
    .set(eb => ({ sessionEpoch: eb.ref('sessionEpoch') }))
    .where('id', '=', id)
    .where('sessionEpoch', '=', epoch)
    .executeTakeFirstOrThrow()
  return numUpdatedRows === 1n
}
