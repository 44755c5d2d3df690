import type { Tx } from '../../store/index.ts'
import { clientIdOf } from '../credentials/client-key.ts'

/**
 * Answers with no whatever an agent has asked people, or a person was asked, and nobody has answered yet: what is taken back for
 * good does not begin again because somebody says yes later. Says how many there were.
 */
export async function cancelWaiting(
  tx: Tx,
  { agent, person }: { agent: string; person?: undefined } | { agent?: undefined; person: string },
): Promise<number> {
  let query = tx
    .updateTable('waitingRequest')
    .set({ answer: JSON.stringify('denied') })
    .where('answer', 'is', null)
  if (person !== undefined) query = query.where('personId', '=', person)
  else {
    const clients = await tx.selectFrom('client').select('id').where('agentId', '=', agent).execute()
    const ids = clients.map(({ id }) => clientIdOf(id))
    if (ids.length === 0) return 0
    query = query.where('clientId', 'in', ids)
  }
  const cancelled = await query.returning('id').execute()
  return cancelled.length
}
