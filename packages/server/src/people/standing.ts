import type { AuthorizationRequest } from '../oauth/index.ts'
import type { Person } from './person.ts'

/**
 * Where a client stands with the organization of a person: an agent that may be authorized, one that waits for an
 * administrator, one that nobody knows yet, or one that is not for this person.
 */
export type Standing =
  | { kind: 'agent'; ceiling: readonly string[] | null }
  | { kind: 'new' }
  | { kind: 'stopped'; why: 'pending' | 'unknown' | 'foreign' | 'alone' }

/** `mayAdopt`: the consenting person takes on what nobody knows yet, and gives what the person holds. */
export function standingOf(
  request: Pick<AuthorizationRequest, 'caller' | 'client'>,
  person: Person,
  owner: string | undefined,
  mayAdopt: boolean,
): Standing {
  const { caller, client } = request
  if (!caller) {
    if (!client.isDynamic) return { kind: 'stopped', why: 'unknown' }
    return mayAdopt ? { kind: 'new' } : { kind: 'stopped', why: 'unknown' }
  }
  if (caller.organization !== person.organization.id) return { kind: 'stopped', why: 'foreign' }
  if (caller.barred !== undefined) return { kind: 'stopped', why: 'pending' }
  if (caller.agentKind === 'autonomous') return { kind: 'stopped', why: 'alone' }
  const isOwn = mayAdopt && client.isDynamic && owner === person.id
  return { kind: 'agent', ceiling: isOwn ? null : caller.ceiling }
}
