import type { Tx } from '../../store/index.ts'

/**
 * Cancels whatever an agent has asked people, or a person was asked, and nobody has answered yet: what is taken back for
 * good does not begin again because somebody says yes later. Says how many there were. A client of a document asks for no
 * organization before somebody answers, so that what it asks is nobody's to cancel.
 */
export async function cancelWaiting(
  tx: Tx,
  { agent, person }: { agent: string; person?: undefined } | { agent?: undefined; person: string },
): Promise<number> {
  let query = tx
    .updateTable('waitingRequest')
    .set({ answer: JSON.stringify('cancelled') })
    .where('answer', 'is', null)
  if (person !== undefined) query = query.where('personId', '=', person)
  else {
    const own = tx.selectFrom('client').select('id').where('agentId', '=', agent)
    query = query.where('clientId', 'in', own)
  }
  const cancelled = await query.returning('id').execute()
  return cancelled.length
}
