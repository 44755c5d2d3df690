/** Hides how a node of the authority is put together: configuration, wiring, the HTTP edge. */
export { type AdminApiServer, type ApiOptions, createApi } from './api.ts'
export { type Authority, type AuthorityOptions, type CallListener, startAuthority } from './authority.ts'
export { type ConfigSources, envName, readConfig } from './config.ts'
export { keepBootstrapCode } from './data-directory.ts'
export { assertSafe, missingIn } from './safety.ts'
export { type Config, SETTINGS, type Setting, type SettingName } from './settings.ts'
