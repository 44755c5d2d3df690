/** The words of the product: ids, errors, time, scopes, the facts that decisions rest on and the records that prove them. */
export { AccessTokenClaims, Actor } from './access-token.ts'
export {
  AuthorizationDetail,
  boundsOf,
  DETAIL_TYPES,
  type DetailBounds,
} from './authorization-details.ts'
export { type Clock, isoTime, systemClock } from './clock.ts'
export { definitionHash, definitionText, type ToolDefinition } from './definition.ts'
export { AppError, ERRORS, type ErrorCode } from './errors.ts'
export * from './facts.ts'
export * from './feed.ts'
export { ID_PREFIX, type IdKind, isId, newId, newSecret, newTrace, TRACE_PARENT } from './ids.ts'
export { canonicalJson, type Json, type JsonObject } from './json.ts'
export * from './record.ts'
export { anyCovers, covers, intersectScopes } from './scope.ts'
export { joinRecord, partRecord, type RecordParts } from './sealed-record.ts'
export { closest, didYouMean } from './spelling.ts'
