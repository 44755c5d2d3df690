/** Hides how a node of the authority is put together: configuration, wiring, the HTTP edge. */
export { type AdminApiServer, type ApiOptions, createApi } from './api.ts'
export { type Authority, type AuthorityOptions, type RecordListener, startAuthority } from './authority.ts'
export {
  assertSafe,
  CONFIG_KEYS,
  type Config,
  type ConfigKey,
  type ConfigSources,
  envName,
  readConfig,
} from './config.ts'
