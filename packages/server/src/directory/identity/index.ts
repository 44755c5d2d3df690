export { type Admission, type Assertion, admit } from './admission.ts'
export { readDomain } from './domain-name.ts'
export {
  claimDomain,
  findHomeProvider,
  hasProviders,
  listDomains,
  type ResolveTxt,
  removeDomain,
  trustDomain,
  updateDomain,
  verifyDomain,
} from './domains.ts'
export { listLinks, removeLink } from './links.ts'
export {
  findProvider,
  getProvider,
  type OidcSettings,
  oidcSettings,
  type ProviderRow,
  type SamlSettings,
  samlSettings,
  secretPlace,
} from './provider-row.ts'
export { checkAddress } from './provider-settings.ts'
export {
  createProvider,
  listProviders,
  pathsOf,
  removeProvider,
  showProvider,
  updateProvider,
} from './providers.ts'
export { reconcileRoles } from './reconcile.ts'
export { createScimToken, findScimToken, listScimTokens, revokeScimToken } from './scim-tokens.ts'
export { createIssuer, listIssuers, removeIssuer, showIssuer, updateIssuer } from './trusted-issuers.ts'
