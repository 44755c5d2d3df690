import { type AttemptRecord, isoTime, type JsonObject, type OutcomeRecord } from '../../core/index.ts'
import { type Caller, ruleFor, seatOf } from '../../engine/index.ts'
import type { Message } from '../protocol/message.ts'
import { redactArguments } from '../redact.ts'
import { isIdentified } from './observe.ts'
import type { Point } from './point.ts'
import type { Ruling } from './ruling.ts'

/** What is recorded of a call before it is released. */
export function toAttempt(
  point: Point,
  caller: Caller,
  message: Message,
  ruling: Ruling,
  trace: string | null,
): AttemptRecord {
  const { target, decision, isEnforced } = ruling
  const schema = ruleFor(point.replica.snapshot, point.server.id, target)?.fact
  return {
    v: 1,
    type: 'attempt',
    id: decision.id,
    at: isoTime(point.clock.now()),
    ...whoIs(point, caller),
    server: point.server.id,
    method: message.method ?? '',
    kind: target.kind,
    tool: target.name,
    definition: decision.definition,
    permission: decision.permission,
    arguments: redactArguments(target.arguments, (schema?.inputSchema ?? null) as JsonObject | null),
    resource: decision.resource,
    ...(decision.otherResources.length > 0 && { otherResources: [...decision.otherResources] }),
    decision: decision.decision,
    reason: decision.reason,
    detail: decision.detail,
    enforced: isEnforced,
    mode: decision.mode,
    assignments: [...decision.assignments],
    revision: decision.revision,
    trace,
  }
}

type Who = Pick<
  AttemptRecord,
  | 'organization'
  | 'agent'
  | 'agentName'
  | 'credential'
  | 'client'
  | 'owner'
  | 'person'
  | 'grant'
  | 'chain'
  | 'token'
  | 'scopes'
>

/** Who calls, as records say it; of who has no identity here, what its credential is known by. */
export function whoIs(point: Point, caller: Caller | null): Who {
  if (caller === null || !isIdentified(caller)) return { ...NOBODY, credential: caller?.fingerprint ?? null }
  const organization = point.replica.snapshot.organization(caller.organization)
  const seat = organization && seatOf(organization, caller.agent)
  return {
    organization: caller.organization,
    agent: caller.agent,
    agentName: seat?.principal.name ?? null,
    credential: caller.credential,
    client: caller.client,
    owner: seat?.agent.owner ?? null,
    person: caller.person,
    grant: caller.grant,
    chain: [...caller.chain],
    token: caller.token,
    scopes: [...caller.scopes],
  }
}

const NOBODY: Who = {
  organization: null,
  agent: null,
  agentName: null,
  credential: null,
  client: null,
  owner: null,
  person: null,
  grant: null,
  chain: [],
  token: null,
  scopes: [],
}

export type OutcomeName = OutcomeRecord['outcome']

/** Records how a call ended. Nobody waits for it. */
export function noteOutcome(
  point: Point,
  caller: Caller,
  id: string,
  outcome: OutcomeName,
  durationMs: number,
): void {
  point.spool.note({
    v: 1,
    type: 'outcome',
    id,
    at: isoTime(point.clock.now()),
    organization: isIdentified(caller) ? caller.organization : null,
    outcome,
    durationMs: Math.round(durationMs * 1000) / 1000,
  })
}
