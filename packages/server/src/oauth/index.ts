/** Hides the OAuth protocol: how agents prove who they are, and how tokens are issued, verified and taken back. */
export {
  type AuthorizationServer,
  type AuthorizationServerOptions,
  createAuthorizationServer,
  type TokenOutcome,
} from './authorization-server.ts'
export { openKeptSecret } from './kept-secret.ts'
export type { TokenAlgorithm } from './signing-key.ts'
