import type { Context } from '../../directory/index.ts'
import type { WaitingRequests } from '../../oauth/index.ts'
import type { Person } from '../account/person.ts'

/** What an agent has asked somebody, and waits for. */
export interface AskedOf {
  id: string
  agent: string
  message: string
  until: number
}

/** Everything that waits for a person's answer, the oldest first; of agents that may do nothing any more there is nothing. */
export async function readAsked(
  { store }: Context,
  waiting: WaitingRequests,
  person: Person,
): Promise<AskedOf[]> {
  const requests = await waiting.askedOf(person.id)
  if (requests.length === 0) return []
  const clients = [...new Set(requests.map(({ clientId }) => clientId))]
  const rows = await store.db
    .selectFrom('client')
    .innerJoin('principal', 'principal.id', 'client.agentId')
    .select(['client.id', 'principal.name'])
    .where('client.id', 'in', clients)
    .where('client.organizationId', '=', person.organization.id)
    .where('principal.status', '=', 'active')
    .execute()
  const nameOf = new Map(rows.map(({ id, name }) => [id, name]))
  return requests.flatMap(({ id, clientId, message, expiresAt: until }) => {
    const agent = nameOf.get(clientId)
    return agent === undefined ? [] : [{ id, agent, message, until }]
  })
}
