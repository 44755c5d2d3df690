import { type LegName, type Mode, modeAt } from '../core/index.ts'
import { chainCarries, checkChain } from './chain.ts'
import {
  checkAgent,
  checkArguments,
  checkCondition,
  checkPerson,
  checkResource,
  checkScope,
  checkTool,
  mayPerson,
} from './legs.ts'
import { explainMissing } from './missing.ts'
import { isLent } from './reach.ts'
import type { Action, Decision, DecisionRequest, Leg } from './request.ts'
import type { Rule } from './rule.ts'
import type { Snapshot } from './snapshot.ts'
import { checkState } from './state.ts'
import { begin, findRule, isKnown, type Refusal, reachesCeiling, type Walk } from './walk.ts'

const UNRECORDED: readonly Leg[] = []
const NO_MORE: readonly string[] = []

/** The legs in the order in which they are walked, cheapest first. The first that fails decides. */
const WALK: readonly { leg: LegName; check: (walk: Walk) => Refusal | null }[] = [
  { leg: 'state', check: checkState },
  { leg: 'tool', check: checkTool },
  { leg: 'arguments', check: checkArguments },
  { leg: 'scope', check: checkScope },
  { leg: 'resource', check: checkResource },
  { leg: 'chain', check: checkChain },
  { leg: 'agent', check: checkAgent },
  { leg: 'person', check: checkPerson },
  { leg: 'condition', check: checkCondition },
]

/**
 * Decides one request on one snapshot: default deny, no I/O, no clock of its own. `explain` records every leg of the
 * same walk.
 */
export function decide(request: DecisionRequest, snapshot: Snapshot, explain = false): Decision {
  const walk = begin(request, snapshot)
  const legs: Leg[] | undefined = explain ? [] : undefined
  let refusal: Refusal | null = null
  let failed: LegName | null = null
  for (const { leg, check } of WALK) {
    if (refusal) {
      legs?.push({ leg, result: 'not_reached', detail: null })
      continue
    }
    refusal = check(walk)
    legs?.push({ leg, result: refusal ? 'failed' : 'passed', detail: refusal?.detail ?? null })
    if (!refusal) continue
    failed = leg
    if (!legs) break
  }
  return toDecision(walk, refusal, { failed, legs: legs ?? UNRECORDED })
}

function toDecision(
  walk: Walk,
  refusal: Refusal | null,
  { failed, legs }: Pick<Decision, 'failed' | 'legs'>,
): Decision {
  const fact = walk.rule?.fact
  const { targets, organization } = walk
  return {
    id: walk.request.id,
    decision: refusal ? 'deny' : 'permit',
    reason: refusal ? refusal.reason : 'permitted',
    detail: refusal ? refusal.detail : null,
    mode: fact?.mode ?? modeOf(walk),
    risk: fact?.risk ?? 'dangerous',
    permission: fact?.permission ?? null,
    definition: fact?.definition ?? null,
    resource: targets[0]?.path ?? walk.sought,
    otherResources: targets.length > 1 ? targets.slice(1).map(({ path }) => path ?? '') : NO_MORE,
    assignments: walk.assignments,
    revision: {
      catalogue: walk.snapshot.catalogue.revision,
      organization: organization?.revision ?? -1,
    },
    failed,
    legs,
    missing: legs.length > 0 && refusal?.missing ? explainMissing(walk, refusal.missing) : null,
  }
}

function modeOf({ server, request }: Walk): Mode {
  return server ? modeAt(server.fact, request.now) : 'enforce'
}

/**
 * Whether a caller that lacks only the scope could be given it: then, and only then, a challenge for it helps. A
 * person's grant can be widened by that person, to what both hold; where the agent has all from that person, to what
 * the person holds.
 */
export function mayObtain(snapshot: Snapshot, request: DecisionRequest): boolean {
  const walk = begin(request, snapshot)
  const { organization, seat, server } = walk
  walk.rule = server && findRule(server, request.action)
  const { rule } = walk
  if (!organization || !seat || !rule || !isKnown(rule, snapshot)) return false
  const { permission } = rule.fact
  if (checkResource(walk)) return false
  if (!isLent(walk) && !isWithin(walk, permission)) return false
  if (request.caller.grant === null) return request.caller.person === null
  const principal = walk.person?.seq ?? 0
  return walk.targets.every(target => mayPerson(organization, rule, { principal, target, now: request.now }))
}

/** Whether the agent may do it, and those that let it act, were it only in the scope. */
function isWithin(walk: Walk, permission: string): boolean {
  return (
    reachesCeiling(walk, permission) &&
    chainCarries(walk, permission) &&
    !checkChain(walk) &&
    !checkAgent(walk)
  )
}

/** The rule that an action falls under on a server, if there is one. */
export function ruleFor(
  snapshot: Snapshot,
  server: string,
  action: Pick<Action, 'kind' | 'name'>,
): Rule | undefined {
  const view = snapshot.catalogue.servers.get(server)
  return view && findRule(view, action)
}
