import { chainCarries, refuseChain, refuseEnded, rootOf } from './chain.ts'
import { isBetween, isInForce, isRunning } from './life.ts'
import type { Caller, DecisionRequest } from './request.ts'
import type { Snapshot } from './snapshot.ts'
import { carries, type Parties, partiesOf, type Refusal, type Walk } from './walk.ts'

/** The leg on which everyone and everything must be alive. */
export function checkState(walk: Walk): Refusal | null {
  return refuse(walk, walk.request)
}

/** Why a caller may do nothing at all on a server now, whatever it asks for; null where it may be heard. */
export function refuseCaller(
  snapshot: Snapshot,
  request: Pick<DecisionRequest, 'server' | 'caller' | 'now'>,
): Refusal | null {
  const parties = partiesOf(snapshot, request)
  return refuse(parties, request) ?? refuseEnded(parties, request.now)
}

/** Of the permissions that a caller's token carries, those that its grant, its chain and all ceilings let through now. */
export function carriedBy(
  snapshot: Snapshot,
  request: Pick<DecisionRequest, 'server' | 'caller' | 'now'>,
): string[] {
  const parties = partiesOf(snapshot, request)
  return request.caller.scopes.filter(
    scope => carries(parties, request.caller, scope, request.now) && chainCarries(parties, scope),
  )
}

/** Whether all are alive: the installation, the server, the organization, the agent, the chain, the person. */
export function refuse(
  parties: Parties,
  { caller, now }: Pick<DecisionRequest, 'caller' | 'now'>,
): Refusal | null {
  const { standing } = parties
  // Nothing has changed since, and no moment has passed on which any of it depends.
  if (standing.from <= now && now < standing.until) return standing.refusal
  standing.refusal = findRefusal(parties, caller, now)
  standing.from = now
  standing.until = nextEnd(parties, caller, now)
  return standing.refusal
}

/** The next moment at which something ends that the caller's standing depends on. */
function nextEnd({ seat, grant }: Parties, caller: Caller, now: number): number {
  const ends = [caller.expiresAt, seat?.credentials.get(caller.credential)?.expiresAt, grant?.expiresAt]
  return Math.min(...ends.map(end => (typeof end === 'number' && end > now ? end : Number.POSITIVE_INFINITY)))
}

function findRefusal(parties: Parties, caller: Caller, now: number): Refusal | null {
  const refusal =
    refusePlace(parties, caller) ??
    refuseAgent(parties, caller, now) ??
    refuseWay(parties, caller) ??
    refuseChain(parties, caller)
  if (refusal || (caller.person === null && caller.grant === null)) return refusal
  return refusePerson(parties, caller, now)
}

/** Whether anybody at all may do anything here. */
function refusePlace({ isFrozen, server, organization }: Parties, caller: Caller): Refusal | null {
  if (isFrozen) return { reason: 'frozen', detail: 'everything' }
  if (!server) return { reason: 'stale', detail: 'this MCP server is not known here' }
  const { name, status } = server.fact
  if (status === 'retired') return { reason: 'revoked', detail: `the server ${name}` }
  if (status === 'frozen') return { reason: 'frozen', detail: `server ${name}` }
  if (caller.fingerprint !== undefined) return { reason: 'unidentified', detail: null }
  if (!organization) return { reason: 'stale', detail: 'the organization is not loaded' }
  if (organization.fact?.status === 'retired') return { reason: 'revoked', detail: 'the organization' }
  return isInForce(organization) ? null : { reason: 'frozen', detail: 'the organization' }
}

/** Whether the agent is there, its owner too, and the token and what it proved itself by are still good. */
function refuseAgent({ isSigned, organization, seat }: Parties, caller: Caller, now: number): Refusal | null {
  if (!organization || !seat || seat.principal.status === 'retired')
    return { reason: 'revoked', detail: 'the agent' }
  const { principal, owner, credentials } = seat
  const credential = credentials.get(caller.credential)
  if (!credential) return { reason: 'revoked', detail: 'the credential' }
  if (credential.expiresAt !== null && credential.expiresAt <= now)
    return { reason: 'revoked', detail: 'the credential has expired' }
  if (!isSigned) return { reason: 'revoked', detail: 'the key that signed the token' }
  if (organization.frozenTokens.has(caller.token)) return { reason: 'frozen', detail: 'the token' }
  if (organization.revokedTokens.has(caller.token)) return { reason: 'revoked', detail: 'the token' }
  if (caller.expiresAt <= now) return { reason: 'revoked', detail: 'the token has expired' }
  if (seat.agent.dpop && !caller.isBound)
    return { reason: 'revoked', detail: 'the token (it is bound to no key, as this agent requires)' }
  if (credential.frozen) return { reason: 'frozen', detail: 'the credential' }
  if (principal.status !== 'active') return { reason: 'suspended', detail: `agent ${principal.name}` }
  if (owner?.status !== 'active')
    return { reason: 'suspended', detail: `the owner of agent ${principal.name} is gone` }
  return null
}

/** Whether the servers that handed the call on still may, and the tokens that they had for it are good. */
function refuseWay({ isLetOn, isByLiveKeys, organization }: Parties, { forwarded }: Caller): Refusal | null {
  if (!forwarded) return null
  if (!isLetOn) return { reason: 'revoked', detail: 'that one server may call the other' }
  if (!isByLiveKeys) return { reason: 'revoked', detail: 'the key of a server that handed the call on' }
  for (const { token } of forwarded) {
    if (organization?.frozenTokens.has(token)) return { reason: 'frozen', detail: 'the token before it' }
    if (organization?.revokedTokens.has(token)) return { reason: 'revoked', detail: 'the token before it' }
  }
  return null
}

/** Whether the person is there, and still lets this agent act, or the one that the chain began with. */
function refusePerson(parties: Parties, caller: Caller, now: number): Refusal | null {
  const { server, grant, person } = parties
  const between = { agent: rootOf(parties, caller), person: caller.person }
  if (!grant || !isBetween(grant, between)) return { reason: 'revoked', detail: 'the grant' }
  if (grant.server !== undefined && grant.server !== server?.fact.id)
    return { reason: 'revoked', detail: 'the grant (it is for another server)' }
  if (!isRunning(grant, now)) return { reason: 'revoked', detail: 'the grant has expired' }
  if (grant.frozen) return { reason: 'frozen', detail: 'the grant' }
  if (person?.status !== 'active')
    return { reason: 'suspended', detail: `the person ${person?.name ?? 'behind the grant'}` }
  return null
}
