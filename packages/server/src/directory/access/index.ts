/** Who may do what on which resource, answered on facts that are kept in memory and brought up to date from the change log. */
export { readTail, type Tail } from './change-log.ts'
export { checkAccess, checkManyAccess, listEffective } from './check-access.ts'
export { compareAccess, forkOrganization } from './compare.ts'
export { explainAccess } from './explain-access.ts'
export { filterResources, listHolders, listReachable } from './lists.ts'
export { describeIndex, limitIndex, type Standing, type Wanted, withIndex } from './live-index.ts'
export { fillPage, openPlace, sealPlace } from './place.ts'
export { findPrincipals, nameOf, type PrincipalName } from './principal-ref.ts'
export { permissionsOf, type Target, targetOf } from './question.ts'
export { listReach } from './reach.ts'
export {
  formatRevisionToken,
  parseRevisionToken,
  type RevisionToken,
  unknownRevision,
} from './revision-token.ts'
