/**
 * Every attribute name that leaves by OpenTelemetry, in one place: those of the GenAI and MCP conventions
 * (open-telemetry/semantic-conventions-genai, all of it still in development) and, for what they have no name, our own.
 */
export const NAME = {
  mcpMethod: 'mcp.method.name',
  operation: 'gen_ai.operation.name',
  tool: 'gen_ai.tool.name',
  prompt: 'gen_ai.prompt.name',
  resourceUri: 'mcp.resource.uri',
  agentId: 'gen_ai.agent.id',
  agentName: 'gen_ai.agent.name',
  arguments: 'gen_ai.tool.call.arguments',
  errorType: 'error.type',
  serviceName: 'service.name',
  serviceVersion: 'service.version',
  userId: 'user.id',

  decision: 'valetkey.decision',
  decisionId: 'valetkey.decision.id',
  reason: 'valetkey.reason',
  isEnforced: 'valetkey.enforced',
  organization: 'valetkey.organization',
  server: 'valetkey.server',
  resource: 'valetkey.resource',
  permission: 'valetkey.permission',
  grant: 'valetkey.grant',
  delegations: 'valetkey.delegations',
  forwarded: 'valetkey.forwarded',
  legs: 'valetkey.legs',
  credential: 'valetkey.credential',
  delegationDepth: 'valetkey.delegation.depth',
  outcome: 'valetkey.outcome',
  durationMs: 'valetkey.duration_ms',
  changeType: 'valetkey.change.type',
  actor: 'valetkey.actor',
  target: 'valetkey.target',
  detail: 'valetkey.detail',
  log: 'valetkey.log',
  logIndex: 'valetkey.log.index',
  leafHash: 'valetkey.log.leaf_hash',
} as const

/** `gen_ai.operation.name` of a tool call; other methods have none. */
export const EXECUTE_TOOL = 'execute_tool'
/** `error.type` where a tool itself answered with an error. */
export const TOOL_ERROR = 'tool_error'
