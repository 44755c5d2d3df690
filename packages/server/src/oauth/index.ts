/** Hides the OAuth protocol: how agents prove who they are, and how tokens are issued, verified and taken back. */
export { grantedOf } from './authorization/details.ts'
export type {
  AuthorizationRequest,
  AuthorizationRequests,
  OpenRequest,
  Yes,
} from './authorization/requests.ts'
export { type AuthorizationServer, createAuthorizationServer } from './authorization-server.ts'
export type { Returning } from './client/redirect-uri.ts'
export { registerClient } from './client/register-client.ts'
export { openKeptSecret } from './keys/kept-secret.ts'
export { listSigningKeys, retireSigningKey, rotateSigningKey, takeSigningKey } from './keys/signing-keys.ts'
export type { AuthorizationServerOptions, TokenOutcome } from './parts.ts'
export {
  readReceiverToken,
  SIGNAL_SCOPES,
  type SignalScope,
  signalResource,
} from './receiver/receiver-token.ts'
export { cancelWaitingRequest, cancelWaitingRequests, listWaitingRequests } from './waiting/administration.ts'
export type { Asked } from './waiting/asking.ts'
export type { WaitingRequests } from './waiting/waiting-requests.ts'
