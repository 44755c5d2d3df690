import { newId, type Reason, type Risk, type ToolFact } from '../../core/index.ts'
import { type Caller, type Decision, type DecisionRequest, decide, ruleFor } from '../../engine/index.ts'
import type { Target } from '../protocol/action.ts'
import type { Message } from '../protocol/message.ts'
import { attemptOf, noteOutcome } from './call-record.ts'
import { isIdentified, isObserved, modeOf } from './observe.ts'
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
    for (const target of targets) {
      const ruling = ruleOne(point, caller, target)
      rulings.push(ruling instanceof Promise ? await ruling : ruling)
    }
    const written = rulings.map(ruling =>
      point.spool.append(attemptOf(point, caller, message, ruling, trace)),
    )
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
    point.spool.note(attemptOf(point, caller, message, ruling, trace))
    count(point, ruling.decision)
  }
  return rulings
}

/** At once where what it takes to decide is held, as it nearly always is. */
function ruleOne(point: Point, caller: Caller, target: Target): Ruling | Promise<Ruling> {
  const isHeld = isIdentified(caller) ? point.replica.hold(caller.organization, caller.revision) : true
  if (isHeld === true) return ruleHeld(point, caller, target)
  return isHeld.then(held =>
    held
      ? ruleHeld(point, caller, target)
      : refusal(point, caller, target, 'stale', 'the organization cannot be loaded'),
  )
}

function ruleHeld(point: Point, caller: Caller, target: Target): Ruling | Promise<Ruling> {
  const decision = decide(requestOf(point, caller, target), point.replica.snapshot)
  if (point.replica.hasLease(decision.risk)) return toRuling(point, caller, target, decision)
  return ruleOnceLeased(point, caller, target, decision.risk)
}

async function ruleOnceLeased(point: Point, caller: Caller, target: Target, risk: Risk): Promise<Ruling> {
  if (!(await point.replica.ensureLease(risk)))
    return refusal(point, caller, target, 'stale', whyStale(point))
  return toRuling(point, caller, target, decide(requestOf(point, caller, target), point.replica.snapshot))
}

function toRuling(point: Point, caller: Caller, target: Target, decision: Decision): Ruling {
  if (!isIdentified(caller)) return ruleStranger(point, caller, decision, target)
  const isEnforced =
    decision.decision === 'permit' || decision.mode === 'enforce' || ALWAYS_ENFORCED.has(decision.reason)
  return { target, decision, isEnforced }
}

/**
 * Who has no identity here passes only while the server is observed, and not where a rule has a mode of its own. What is
 * frozen is so for them too.
 */
function ruleStranger(point: Point, caller: Caller, decision: Decision, target: Target): Ruling {
  const fact = ruleFor(point.replica.snapshot, point.server.id, target)?.fact
  if (decision.reason === 'unidentified' && fact?.frozen)
    return refusal(point, caller, target, 'frozen', `${target.kind} ${target.name}`)
  const isPassing = decision.reason === 'unidentified' && decision.mode === 'observe' && !fact?.mode
  const known = { permission: fact?.permission ?? null, definition: fact?.definition ?? null }
  const mode = fact?.mode ?? decision.mode
  const detail = decision.detail ?? whatElse(point, fact, target)
  return { target, decision: { ...decision, ...known, mode, detail }, isEnforced: !isPassing }
}

/** What would be refused besides, once who calls has an identity. */
function whatElse(point: Point, fact: ToolFact | undefined, target: Target): string | null {
  if (!fact) return `and "${target.name}" is not in the tool map`
  const isChanged = target.kind === 'tool' && fact.definition !== point.seen.definition(target.name)
  return isChanged ? `and the definition of "${target.name}" is not the one that was approved` : null
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
    decision.revision.organization === (snapshot.revisionOf(caller.organization) ?? -1) &&
    (decision.mode !== 'observe' || isObserved(point))
  )
}

function refusal(point: Point, caller: Caller, target: Target, reason: Reason, detail: string): Ruling {
  const { snapshot } = point.replica
  const decision: Decision = {
    id: newId('decision', point.clock.now()),
    decision: 'deny',
    reason,
    detail,
    mode: modeOf(point),
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
    failed: null,
    legs: [],
    missing: null,
  }
  return { target, decision, isEnforced: true }
}

function count(point: Point, decision: Pick<Decision, 'decision' | 'reason' | 'mode'>): void {
  point.metrics.decided({
    verdict: decision.decision,
    reason: decision.reason,
    server: point.server.name,
    mode: decision.mode,
  })
}
