/** Hides how an agent holds its identity: keys, assertions, and tokens that are fetched, kept and fetched anew. */
export {
  type Agent,
  type AgentOptions,
  type AuthProvider,
  createAgent,
  type Delegated,
  type Tokens,
} from './agent.ts'
export type { Bounds, Handover } from './delegate.ts'
export { type AgentKey, generateAgentKey } from './key.ts'
export type { Wanted } from './token-request.ts'
