import type { AgentFact, OrganizationOp } from '../../core/index.ts'
import type { DecisionRequest } from '../index.ts'

export const NOW = 1_800_000_000_000
/** The numbers of Northwind's people and agents. */
export const [MAYA, BOT] = [1, 2] as const

export function principal(id: string, seq: number, kind: 'user' | 'agent', name: string): OrganizationOp {
  return { fact: 'principal', id, value: { id, seq, kind, name, status: 'active' } }
}

/** Northwind, Maya, and the agent that she owns, by its one credential. */
export function mayaAndHerBot(agent: Pick<AgentFact, 'ceiling' | 'kind'>): OrganizationOp[] {
  const own = { id: 'agt_1', principal: 'agt_1', owner: 'usr_1' }
  return [
    { fact: 'organization', id: 'org_1', value: { id: 'org_1', slug: 'northwind', status: 'active' } },
    principal('usr_1', MAYA, 'user', 'maya'),
    principal('agt_1', BOT, 'agent', 'bot'),
    { fact: 'agent', id: 'agt_1', value: { ...own, ...agent } },
    { fact: 'credential', id: 'crd_1', value: { id: 'crd_1', agent: 'agt_1', expiresAt: null } },
  ]
}

/** Somebody has a role on a resource, given by Maya. */
export function assignment(
  id: string,
  about: { principal: number; role: string; resource: number; expiresAt?: number | null },
): OrganizationOp {
  const value = { id, expiresAt: null, source: 'direct' as const, createdBy: 'usr_1', ...about }
  return { fact: 'assignment', id, value }
}

/** What her bot asks for, by itself unless the caller says otherwise. */
export function requestOfBot(
  action: DecisionRequest['action'],
  caller: Pick<DecisionRequest['caller'], 'scopes'> & Partial<DecisionRequest['caller']>,
): DecisionRequest {
  return {
    id: 'dec_1',
    now: NOW,
    server: 'srv_1',
    caller: {
      organization: 'org_1',
      agent: 'agt_1',
      credential: 'crd_1',
      client: 'agt_1',
      token: 'jti_1',
      expiresAt: NOW + 60_000,
      person: null,
      grant: null,
      chain: [],
      ...caller,
    },
    action,
  }
}
