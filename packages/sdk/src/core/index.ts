/** The words of the product: ids, errors, time, scopes, the facts that decisions rest on and the records that prove them. */
export { type Clock, isoTime, systemClock } from './clock.ts'
export { definitionHash, type ToolDefinition } from './definition.ts'
export { AppError, ERRORS, type ErrorCode } from './errors.ts'
export * from './facts.ts'
export { ID_PREFIX, type IdKind, newId, newSecret } from './ids.ts'
export { canonicalJson, type Json, type JsonObject } from './json.ts'
export * from './record.ts'
export { anyCovers, covers, intersectScopes } from './scope.ts'
