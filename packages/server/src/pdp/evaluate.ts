import type { GrantFact, PrincipalFact } from '@valetkey/sdk/core'
import { grantCovers } from '@valetkey/sdk/engine'
import * as directory from '../directory/index.ts'
import { type Evaluation, toJson } from './request.ts'
import { isToolCall, permissionFor, type Scene, targetFor } from './scene.ts'

/** An answer as it goes out (AuthZEN 1.0 §5.5). */
export interface Answer {
  decision: boolean
  context: Record<string, unknown>
}

/** Answers one question. Whatever is not known is a "no": only what cannot be read at all is an error. */
export function evaluate(scene: Scene, evaluation: Evaluation): Answer {
  const reason = scene.standing.isStale ? 'stale' : reasonFor(scene, evaluation)
  return { decision: reason === 'permitted', context: { reason, revision: scene.standing.revision } }
}

function reasonFor(scene: Scene, evaluation: Evaluation): string {
  if (isToolCall(evaluation)) {
    const decision = scene.call(evaluation)
    // An enforcement point lets pass what is denied in audit mode. That is for it to know: the answer is no.
    return decision?.reason ?? 'tool_unmapped'
  }
  const { standing, now } = scene
  const { view } = standing
  const target = targetFor(standing, evaluation.resource)
  if (!target) return 'resource_unknown'
  const permission = permissionFor(view, target.type.id, evaluation.action.name)
  if (!permission) return 'action_unknown'
  const { subject, action, resource, context } = evaluation
  const known = { subject, action, resource, context: toJson(evaluation) }
  const principal = scene.principal(subject)
  const matter = { principal, permission, target, now, known }
  const reason = directory.judge(view, matter)
  if (reason !== 'permitted' || !principal || !context.agent) return reason
  const agent = scene.agent(context.agent)
  if (agent?.id === principal.id) return reason
  return reasonForAgent(scene, matter, { agent, person: principal })
}

/** The agent that acts for a person needs the permission itself, and the person's leave for this resource. */
function reasonForAgent(
  { standing: { view }, now }: Scene,
  matter: directory.Matter,
  { agent, person }: { agent: PrincipalFact | undefined; person: PrincipalFact },
): string {
  if (agent?.kind !== 'agent') return 'agent_unknown'
  const reason = directory.judge(view, { ...matter, principal: agent })
  if (reason !== 'permitted') return reason === 'permission_missing' ? 'agent_lacks_permission' : reason
  const grants = directory.liveGrants(view, agent.id, person.id, now)
  if (grants.length === 0) return 'revoked'
  const carrying = grants.filter(grant => grantCovers(grant, matter.permission.fact.slug, now))
  if (carrying.length === 0) return 'scope_missing'
  const holdsTarget = ({ resources }: GrantFact) =>
    resources.some(granted => view.tree.isWithin(matter.target.seq, granted))
  return carrying.some(holdsTarget) ? 'permitted' : 'grant_resource'
}
