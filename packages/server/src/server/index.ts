/** Hides how a node of the authority is put together: configuration, wiring, the HTTP edge. */
export { createApi } from './api.ts'
export { type Authority, startAuthority } from './authority.ts'
export { envName, readConfig } from './config.ts'
export { keepBootstrapCode } from './data-directory.ts'
export { assertSafe, missingIn } from './safety.ts'
export type { Config, Setting, SettingName } from './settings.ts'
