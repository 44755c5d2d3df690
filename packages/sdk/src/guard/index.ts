/**
 * Hides how a call is stopped or let through: tokens, the replica of the policy, the durable record, the two eras of
 * MCP, and the forms of "no" that clients understand.
 */
export type { ProofOptions } from './dpop/check.ts'
export { type Admission, admit } from './enforcement/admit.ts'
export { scopesOf } from './enforcement/authenticate.ts'
export type { Exchange } from './enforcement/exchange.ts'
export type { Inbound } from './enforcement/inbound.ts'
export { OWN_CREDENTIALS } from './enforcement/observe.ts'
export { createGuard, type Guard, type GuardOptions } from './guard.ts'
export type { AuthInfo, Handler, HandlerOptions } from './handler.ts'
export { keepTrying, type Opening } from './keep-trying.ts'
export { readOffer, type ServerOffer, toDefinitions } from './offer/offer.ts'
export type { Next } from './onward.ts'
export { openPoint, type PointOptions, type RunningPoint } from './open-point.ts'
export { type Answer, answerPlain, answerUpstreamFault } from './protocol/answer.ts'
export { answerMetadata, isMetadataPath } from './resource-metadata.ts'
export type { SpoolFilePort } from './spool/index.ts'
export { type Filter, type ValetKey, valetkeyOf } from './valetkey.ts'
export { createEventRelay } from './web.ts'
