import { findAgent, findPerson } from '../find.ts'
import type { Session } from '../session.ts'
import { UsageError } from '../terminal/index.ts'

/** Flags that name whose things are meant: an agent's, a person's, or those between the two. */
export interface Whose {
  agent?: string
  person?: string
}

export async function idsOf(session: Session, { agent, person }: Whose) {
  return {
    agent: agent === undefined ? undefined : (await findAgent(session, agent)).id,
    person: person === undefined ? undefined : (await findPerson(session, person)).id,
  }
}

/** Refuses what names neither one by its id nor whose all of them are, or both. */
export function requireOneOrAll(
  kind: 'grant' | 'request',
  one: string | undefined,
  { agent, person }: Whose,
): void {
  const isAll = agent !== undefined || person !== undefined
  if (isAll !== (one !== undefined)) return
  throw new UsageError(
    `Which ${kind}s?`,
    'Either one is named by its id, or all of an agent or a person.',
    `Name a ${kind}, or add --agent or --person.`,
  )
}
