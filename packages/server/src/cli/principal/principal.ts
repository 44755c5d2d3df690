import { didYouMean } from '@valetkey/sdk/core'
import { findAgent, findGroup, findPerson, findService } from '../find.ts'
import type { Session } from '../session.ts'
import { UsageError } from '../terminal/index.ts'

/** Whoever can hold a role, as commands name it. */
export interface Principal {
  id: string
  kind: Kind
  /** Name of an agent, group or service, email address of a person. */
  name: string
  organization: string
}

const KINDS = ['user', 'agent', 'group', 'service'] as const
type Kind = (typeof KINDS)[number]

/** What the argument is called in help texts. */
export const PRINCIPAL = 'an agent by name, a person by email address, or group:NAME, service:NAME'

/** Finds `group:finance`, an id, a person's email address or an agent's name. */
export async function findPrincipal(session: Session, text: string): Promise<Principal> {
  const { kind, name } = splitPrincipal(text)
  switch (kind) {
    case 'user': {
      const { id, email, organization } = await findPerson(session, name)
      return { id, kind, name: email, organization }
    }
    case 'agent':
      return toPrincipal(kind, await findAgent(session, name))
    case 'group':
      return toPrincipal(kind, await findGroup(session, name))
    case 'service':
      return toPrincipal(kind, await findService(session, name))
  }
}

function toPrincipal(kind: Kind, { id, name, organization }: Omit<Principal, 'kind'>): Principal {
  return { id, kind, name, organization }
}

/** `group:finance` and `user:maya@northwind.dev` as they are read, without asking whether they exist. */
export function splitPrincipal(text: string): { kind: Kind; name: string } {
  const colon = text.indexOf(':')
  if (colon !== -1) {
    const word = text.slice(0, colon)
    const kind = KINDS.find(known => known === word)
    if (kind) return { kind, name: text.slice(colon + 1) }
    throw new UsageError(
      `"${text}" names nobody.`,
      `There is no kind "${word}".${didYouMean(word, KINDS)}`,
      `Name ${PRINCIPAL}.`,
    )
  }
  if (text.startsWith('grp_')) return { kind: 'group', name: text }
  if (text.startsWith('svc_')) return { kind: 'service', name: text }
  if (text.startsWith('usr_') || text.includes('@')) return { kind: 'user', name: text }
  return { kind: 'agent', name: text }
}
