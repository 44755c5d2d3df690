/** Hides how an operation of the admin API becomes HTTP: the operations as data, a typed client, an OpenAPI document. */
export { type AdminApi, api } from './api.ts'
export { ApiError, type Client, type ClientOptions, createClient } from './client.ts'
export { toOpenApi } from './openapi.ts'
export {
  type CallQuestion,
  FILTERS,
  type FilterKey,
  fromWall,
  isZone,
  offsetAt,
  ownZone,
  parseQuery,
  readSpan,
  type Span,
  TIME_FILTERS,
  TIMES,
  type TimeKey,
  timeIn,
  type Wanted,
  writeChips,
} from './query/index.ts'
export type { Api, Input, Output, Parsed, Route } from './route.ts'
export * as shapes from './shapes/index.ts'
