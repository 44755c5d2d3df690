/** Hides how the parts become one process that answers HTTP. */
export { type AdminApiServer, type ApiOptions, createApi } from './api.ts'
export { createHandlers, type HandlerParts, type Handlers } from './handlers.ts'
