import { judge, judgeAgent } from '@valetkey/sdk/engine'
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
  const permission = permissionFor(view, target.type.fact.id, evaluation.action.name)
  if (!permission) return 'action_unknown'
  const { subject, action, resource, context } = evaluation
  const known = { subject, action, resource, context: toJson(evaluation) }
  const matter = { principal: scene.principal(subject), permission, target, now, known }
  return context.agent ? judgeAgent(view, matter, scene.agent(context.agent)) : judge(view, matter)
}
