/** Hides the OAuth protocol: how agents prove who they are, and how tokens are issued, verified and taken back. */
export { grantedOf, type RequestedDetails } from './authorization-details.ts'
export type { AuthorizationRequest, AuthorizationRequests } from './authorization-requests.ts'
export {
  type AuthorizationServer,
  type AuthorizationServerOptions,
  createAuthorizationServer,
  type TokenOutcome,
} from './authorization-server.ts'
export { openKeptSecret } from './kept-secret.ts'
export type { Returning } from './redirect-uri.ts'
export { registerClient } from './register-client.ts'
export type { TokenAlgorithm } from './signing-key.ts'
export { listSigningKeys, retireSigningKey, rotateSigningKey, takeSigningKey } from './signing-keys.ts'
