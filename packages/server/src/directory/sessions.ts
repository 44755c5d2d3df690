import type { Tx } from '../store/index.ts'

/**
 * Ends every session of a person, in the transaction that says why: each carries the number that is raised here. With
 * the number that the person had when somebody looked, false where it was raised meanwhile.
 */
export async function endSessions(tx: Tx, person: string, epoch?: number): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('principal')
    .set(eb => ({ sessionEpoch: eb('sessionEpoch', '+', 1) }))
    .where('id', '=', person)
    .$if(epoch !== undefined, update => update.where('sessionEpoch', '=', epoch ?? 0))
    .executeTakeFirstOrThrow()
  return numUpdatedRows === 1n
}
