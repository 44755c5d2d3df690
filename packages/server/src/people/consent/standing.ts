import type { AuthorizationRequest } from '../../oauth/index.ts'
import type { Person } from '../account/person.ts'

/**
 * Where a client stands with the organization of a person: an agent that may be authorized, one that waits for an
 * administrator, one that nobody knows yet, or one that is not for this person.
 */
export type Standing =
  | { kind: 'agent'; id: string; ceiling: readonly string[] | null }
  | { kind: 'new' }
  | { kind: 'stopped'; why: 'pending' | 'foreign' | 'alone' }
  /** It may be put before the administrators, if it came by itself. */
  | { kind: 'stopped'; why: 'unknown'; mayAsk: boolean }

/** `mayAdopt`: the consenting person takes on what nobody knows yet, and gives what the person holds. */
export function standingOf(
  request: Pick<AuthorizationRequest, 'caller' | 'client'>,
  person: Person,
  owner: string | undefined,
  mayAdopt: boolean,
): Standing {
  const { caller } = request
  const cameByItself = request.client.kind !== 'pre-registered'
  if (!caller)
    return cameByItself && mayAdopt
      ? { kind: 'new' }
      : { kind: 'stopped', why: 'unknown', mayAsk: cameByItself }
  if (caller.organization !== person.organization.id) return { kind: 'stopped', why: 'foreign' }
  if (caller.barred !== undefined) return { kind: 'stopped', why: 'pending' }
  if (caller.agentKind === 'autonomous') return { kind: 'stopped', why: 'alone' }
  const isOwn = mayAdopt && cameByItself && owner === person.id
  return { kind: 'agent', id: caller.agent, ceiling: isOwn ? null : caller.ceiling }
}
