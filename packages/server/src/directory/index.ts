/** Hides how organizations, people, agents, servers, tools, roles and assignments are kept and changed. */
export * from './access/index.ts'
export { createAgent, listAgents, resumeAgent, showAgent, suspendAgent, updateAgent } from './agents.ts'
export { type Agreement, agree, findStandingGrant, type StandingGrant } from './agreement.ts'
export { CLAIM, createApiToken, listApiTokens, may, revokeApiToken } from './api-tokens.ts'
export { clearAssignments, createAssignment, listAssignments, removeAssignment } from './assignments.ts'
export { BOOTSTRAP_CODE_LIFE_MS, claimBootstrapCode, createBootstrapCode } from './bootstrap.ts'
export { type CallBy, checkDecision, type DecideCall, prepareCall } from './check.ts'
export { clientIdOf, clientKeyOf } from './client-key.ts'
export {
  type ConsentPolicy,
  readConsentPolicy,
  showConsentPolicy,
  updateConsentPolicy,
} from './consent-policy.ts'
export type { Actor, Context } from './context.ts'
export { createCredential, listCredentials, liveCredentials } from './credentials.ts'
export * from './delegation/index.ts'
export * from './fact-of.ts'
export { loadCatalogue, loadOrganization } from './facts.ts'
export type { Grant } from './grant-row.ts'
export { createGrant, listGrants, revokeGrant, revokeGrants, showGrant } from './grants.ts'
export {
  addMember,
  changeMembers,
  createGroup,
  dropMember,
  listGroups,
  listMembers,
  type Membership,
  removeGroup,
  renameGroup,
} from './groups.ts'
export * from './identity/index.ts'
export { type InputOf, lock, type OutputOf } from './operation.ts'
export {
  createOrganization,
  freezeOrganization,
  listOrganizations,
  showOrganization,
  thawOrganization,
} from './organizations.ts'
export {
  changePerson,
  createPerson,
  listPeople,
  retirePerson,
  showPerson,
  updatePerson,
} from './people.ts'
export { createPermission, listPermissions, updatePermission } from './permissions.ts'
export { awaitPoints, listPoints } from './points.ts'
export { listPrincipalNames } from './principals.ts'
export { type PublicKey, parsePublicKey } from './public-key.ts'
export * from './reference.ts'
export { importResources } from './resource-import.ts'
export { refuseExternalId } from './resource-rules.ts'
export { readRef } from './resource-tree.ts'
export { createResourceType, listResourceTypes, updateResourceType } from './resource-types.ts'
export { listResources, moveResource, putResource, removeResource, showResource } from './resources.ts'
export * from './revocation/index.ts'
export { createRole, listRoles, showRole, updateRole } from './roles.ts'
export { createServerKey, findServerKey, listServerKeys, revokeServerKey } from './server-keys.ts'
export {
  canonicalUrl,
  createServer,
  listDefinitions,
  listServers,
  setUpstreamCredential,
  showServer,
  updateServer,
  upstreamPlace,
} from './servers.ts'
export { createService, listServices, updateService } from './service-principals.ts'
export { endSessions, holdSessions } from './sessions.ts'
export {
  readSignInPolicy,
  type SignInPolicy,
  showSignInPolicy,
  toSignInPolicy,
  updateSignInPolicy,
} from './sign-in-policy.ts'
export { listTools, mapTool, unmapTool } from './tools.ts'
export { asOneChange } from './transaction.ts'
