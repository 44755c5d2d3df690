/** Hides how organizations, people, agents, servers, tools, roles and assignments are kept and changed. */
export * from './access/index.ts'
export { claimBootstrapCode, createBootstrapCode } from './bootstrap.ts'
export { checkDecision, prepareCall } from './check.ts'
export type { Actor, Context } from './context.ts'
export { CLAIM, createApiToken, listApiTokens, may, revokeApiToken } from './credentials/api-tokens.ts'
export { clientIdOf, clientKeyOf } from './credentials/client-key.ts'
export { createCredential, listCredentials } from './credentials/credentials.ts'
export { type PublicKey, parsePublicKey } from './credentials/public-key.ts'
export { createServerKey, findServerKey, listServerKeys, revokeServerKey } from './credentials/server-keys.ts'
export * from './delegation/index.ts'
export { refuseDuplicate } from './duplicate.ts'
export * from './fact-of.ts'
export { loadCatalogue, loadOrganization } from './facts.ts'
export { agree, agreeByIssuer, findStandingGrant, type StandingGrant } from './grants/agreement.ts'
export {
  type ConsentPolicy,
  readConsentPolicy,
  showConsentPolicy,
  updateConsentPolicy,
} from './grants/consent-policy.ts'
export type { Grant } from './grants/grant-row.ts'
export { createGrant, listGrants, revokeGrant, revokeGrants, showGrant } from './grants/grants.ts'
export * from './identity/index.ts'
export { type InputOf, lock, type OutputOf, recordBy, timeOf } from './operation.ts'
export {
  createOrganization,
  freezeOrganization,
  listOrganizations,
  showOrganization,
  thawOrganization,
} from './organizations/organizations.ts'
export { endSessions, holdSessions, takeMailedBack } from './organizations/sessions.ts'
export {
  readSignInPolicy,
  type SignInPolicy,
  showSignInPolicy,
  toSignInPolicy,
  updateSignInPolicy,
} from './organizations/sign-in-policy.ts'
export { openCursor, readOwnPage, readPage } from './page.ts'
export {
  createAgent,
  listAgents,
  resumeAgent,
  showAgent,
  suspendAgent,
  updateAgent,
} from './principals/agents.ts'
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
} from './principals/groups.ts'
export {
  changePerson,
  createPerson,
  listPeople,
  retirePerson,
  showPerson,
  updatePerson,
} from './principals/people.ts'
export { listPrincipalNames } from './principals/principals.ts'
export { createService, listServices, updateService } from './principals/service-principals.ts'
export { rebuildDecision } from './rebuild.ts'
export * from './reference.ts'
export { importResources } from './resources/resource-import.ts'
export { refuseExternalId } from './resources/resource-rules.ts'
export { readRef } from './resources/resource-tree.ts'
export { createResourceType, listResourceTypes, updateResourceType } from './resources/resource-types.ts'
export {
  listResources,
  moveResource,
  putResource,
  removeResource,
  showResource,
} from './resources/resources.ts'
export * from './revocation/index.ts'
export { clearAssignments, createAssignment, listAssignments, removeAssignment } from './roles/assignments.ts'
export { createPermission, listPermissions, updatePermission } from './roles/permissions.ts'
export { createRole, listRoles, showRole, updateRole } from './roles/roles.ts'
export { allowForward, disallowForward, listForwards } from './servers/forwards.ts'
export { awaitPoints, listPoints } from './servers/points.ts'
export {
  canonicalUrl,
  createServer,
  listDefinitions,
  listServers,
  setUpstreamCredential,
  showServer,
  updateServer,
  upstreamPlace,
} from './servers/servers.ts'
export { listTools, mapTool, unmapTool } from './servers/tools.ts'
export { asOneChange } from './transaction.ts'
