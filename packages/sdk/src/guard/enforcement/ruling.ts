import { type AttemptRecord, isoTime, type JsonObject, newId, type Reason } from '../../core/index.ts'
import {
  type Caller,
  type Decision,
  type DecisionRequest,
  decide,
  ruleFor,
  seatOf,
} from '../../engine/index.ts'
import type { Target } from '../protocol/action.ts'
import type { Message } from '../protocol/message.ts'
import { redactArguments } from '../redact.ts'
import type { Point } from './point.ts'

/** What was decided of one target of a message, and whether that is what happens. */
export interface Ruling {
  target: Target
  decision: Decision
  /** False for a denial that is only recorded, on a server or tool in audit mode. */
  isEnforced: boolean
}

/** Reasons that hold in every mode: who is not alive, not current or not on record does not call. */
const ALWAYS_ENFORCED: ReadonlySet<Reason> = new Set([
  'revoked',
  'suspended',
  'frozen',
  'stale',
  'audit_unavailable',
])
const MOST_ROUNDS = 5

/**
 * Decides a message and makes the decisions durable. What comes back may be released at once, without another await:
 * lease and revision were looked at after the records were on disk, and a change in between decided again.
 */
export async function rule(
  point: Point,
  caller: Caller,
  message: Message,
  targets: readonly Target[],
  trace: string | null,
): Promise<Ruling[]> {
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const rulings: Ruling[] = []
    for (const target of targets) rulings.push(await ruleOne(point, caller, target))
    const written = rulings.map(ruling => point.spool.append(toRecord(point, caller, message, ruling, trace)))
    try {
      await (written.length === 1 ? written[0] : Promise.all(written))
    } catch {
      return targets.map(target =>
        refusal(point, caller, target, 'audit_unavailable', 'its spool cannot be written'),
      )
    }
    if (rulings.every(ruling => isCurrent(point, caller, ruling.decision))) {
      for (const { decision } of rulings) count(point, decision)
      return rulings
    }
    for (const { decision } of rulings) noteOutcome(point, caller, decision.id, 'superseded', 0)
  }
  const rulings = targets.map(target =>
    refusal(point, caller, target, 'stale', 'it changes faster than calls are decided'),
  )
  for (const ruling of rulings) {
    point.spool.note(toRecord(point, caller, message, ruling, trace))
    count(point, ruling.decision)
  }
  return rulings
}

async function ruleOne(point: Point, caller: Caller, target: Target): Promise<Ruling> {
  const isHeld = point.replica.hold(caller.organization, caller.revision)
  if (isHeld !== true && !(await isHeld))
    return refusal(point, caller, target, 'stale', 'the organization cannot be loaded')
  let decision = decide(requestOf(point, caller, target), point.replica.snapshot)
  if (!point.replica.hasLease(decision.risk)) {
    if (!(await point.replica.ensureLease(decision.risk)))
      return refusal(point, caller, target, 'stale', whyStale(point))
    decision = decide(requestOf(point, caller, target), point.replica.snapshot)
  }
  const isEnforced =
    decision.decision === 'permit' || decision.mode === 'enforce' || ALWAYS_ENFORCED.has(decision.reason)
  return { target, decision, isEnforced }
}

/** Why the lease is over: for good, or until the authority answers again. */
export function whyStale(point: Point): string {
  return point.ended()?.message ?? 'the authority has not confirmed it'
}

export function requestOf(point: Point, caller: Caller, target: Target): DecisionRequest {
  const now = point.clock.now()
  return {
    id: newId('decision', now),
    now,
    server: point.server.id,
    caller,
    action: { ...target, definition: target.kind === 'tool' ? point.seen.definition(target.name) : null },
  }
}

/** Nothing changed since: the decision is of the revisions that are held, and they are known to be current. */
function isCurrent(point: Point, caller: Caller, decision: Decision): boolean {
  if (decision.decision !== 'permit' && ALWAYS_ENFORCED.has(decision.reason)) return true
  const { snapshot } = point.replica
  return (
    point.replica.hasLease(decision.risk) &&
    decision.revision.catalogue === snapshot.catalogue.revision &&
    decision.revision.organization === snapshot.revisionOf(caller.organization)
  )
}

function refusal(point: Point, caller: Caller, target: Target, reason: Reason, detail: string): Ruling {
  const { snapshot } = point.replica
  const decision: Decision = {
    id: newId('decision', point.clock.now()),
    decision: 'deny',
    reason,
    detail,
    mode: snapshot.catalogue.servers.get(point.server.id)?.fact.mode ?? 'enforce',
    risk: 'dangerous',
    permission: null,
    definition: null,
    resource: null,
    otherResources: [],
    assignments: [],
    revision: {
      catalogue: snapshot.catalogue.revision,
      organization: snapshot.revisionOf(caller.organization) ?? -1,
    },
    legs: [],
    missing: null,
  }
  return { target, decision, isEnforced: true }
}

function toRecord(
  point: Point,
  caller: Caller,
  message: Message,
  ruling: Ruling,
  trace: string | null,
): AttemptRecord {
  const { target, decision, isEnforced } = ruling
  const { snapshot } = point.replica
  const organization = snapshot.organization(caller.organization)
  const seat = organization && seatOf(organization, caller.agent)
  const schema = ruleFor(snapshot, point.server.id, target)?.fact
  return {
    v: 1,
    type: 'attempt',
    id: decision.id,
    at: isoTime(point.clock.now()),
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

export type OutcomeName =
  | 'ok'
  | 'tool_error'
  | 'protocol_error'
  | 'upstream_error'
  | 'cancelled'
  | 'revoked'
  | 'superseded'

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
    organization: caller.organization,
    outcome,
    durationMs: Math.round(durationMs * 1000) / 1000,
  })
}

function count(point: Point, decision: Pick<Decision, 'decision' | 'reason' | 'mode'>): void {
  point.metrics.decided({
    verdict: decision.decision,
    reason: decision.reason,
    server: point.server.name,
    mode: decision.mode,
  })
}
