/**
 * Hides how an agent holds its identity: keys, assertions, proofs, tokens that are fetched, kept and fetched anew, how a
 * person is asked, and when to stop.
 */
export {
  type Agent,
  type AgentOptions,
  createAgent,
  type Delegated,
  openAgent,
  type Tokens,
} from './agent.ts'
export type { Bounds, Handover } from './delegate.ts'
export { describeServer, type ServerDescription } from './describe-server.ts'
export { enrollAgent, type Registry } from './enroll.ts'
export { createForwarder, type Forwarder, type InboundToken } from './forwarder.ts'
export { type AgentKey, generateAgentKey } from './key.ts'
export { type KeyStore, openKeyStore, type StoredIdentity } from './key-store.ts'
export type { ByBackchannel } from './person/backchannel.ts'
export type { ByBrowser } from './person/browser.ts'
export type { ByDevice, DeviceCode } from './person/device.ts'
export type { ByIdentityProvider } from './person/identity-provider.ts'
export type { By, UserOptions } from './person/user-source.ts'
export type { AuthProvider, OAuthProvider } from './providers.ts'
export { type Registration, registerClient } from './register-client.ts'
export { Halted } from './standing.ts'
export type { Wanted } from './token-request.ts'
