import { REASONS, type Reason } from '../core/index.ts'
import type { Decision } from './request.ts'

const SENTENCES: Record<Reason, (detail: string) => string> = {
  permitted: () => 'permitted',
  frozen: detail => `${detail || 'it'} is frozen by an administrator`,
  suspended: detail => `${detail || 'the agent'} is suspended`,
  revoked: detail => `${detail || 'the credential'} is revoked`,
  tool_unmapped: detail => `"${detail}" is not in the tool map of this server`,
  tool_changed: detail => `the definition of "${detail}" is not the one that was approved`,
  arguments_invalid: detail => `the arguments do not match the approved schema (${detail})`,
  scope_missing: detail => `the token does not carry the scope ${detail}`,
  agent_ceiling: ofAgent((who, what) => `the ceiling of ${who} does not hold ${what}`),
  resource_unknown: detail => detail || 'the arguments name no known resource',
  delegation_expired: detail => `the delegation ${detail} has ended`,
  delegation_scope: detail => `the delegation ${detail}`,
  delegation_resource: detail => `the delegation ${detail}`,
  delegation_arguments: detail => `the delegation ${detail}`,
  agent_lacks_permission: ofAgent((who, what) => `no role of ${who} holds ${what}`),
  user_lacks_permission: detail => `no role of the person behind it holds ${detail}`,
  grant_resource: detail => `the person did not let the agent touch ${detail}`,
  grant_tool: detail => `the person did not let the agent use "${detail}"`,
  condition_failed: detail => `the condition of this tool does not hold (${detail})`,
  stale: detail => `the policy here is not known to be current (${detail})`,
  audit_unavailable: detail => `the call cannot be recorded (${detail})`,
  unidentified: () => 'who calls has no identity here',
  token_missing: () => 'the request carries no token',
  token_invalid: detail => `the token is not valid (${detail})`,
}

/** A sentence about this agent or, where the detail begins with `agent NAME: `, about one that delegated to it. */
function ofAgent(say: (who: string, what: string) => string): (detail: string) => string {
  return detail => {
    const [, name, what] = /^agent (\S+): (.*)$/s.exec(detail) ?? []
    return name === undefined ? say('this agent', detail) : say(`agent ${name}, which delegated,`, what ?? '')
  }
}

const ADVICE = {
  never: 'Do not retry; ask an administrator.',
  corrected: 'Retry only with other arguments.',
  later: 'Retry later.',
} as const

/** One sentence for a person or a model: what was refused, why, the decision's id, and whether to try again. */
export function describe(decision: Pick<Decision, 'id' | 'reason' | 'detail'>): string {
  const why = SENTENCES[decision.reason](decision.detail ?? '')
  return `Denied: ${why} (decision ${decision.id}). ${ADVICE[REASONS[decision.reason].retry]}`
}
