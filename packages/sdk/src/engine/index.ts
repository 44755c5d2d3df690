/** Hides how a permission is looked up, a condition evaluated and an argument checked: facts in, one decision out. */
export {
  carriersOf,
  effectivePermissions,
  type Held,
  type HeldBy,
  type HeldOn,
  intersectRoots,
  isAllowed,
  listPrincipals,
  listResources,
  nearOf,
  type Question,
  rolesOf,
  rootsOf,
  wouldAllow,
} from './access.ts'
export { callerOf } from './caller.ts'
export type { CatalogueView, PermissionView, RoleView, ServerView } from './catalogue.ts'
export { pathOfLink } from './chain.ts'
export { checkPermissionCondition, checkToolCondition, type PermissionInput } from './condition.ts'
export { decide, mayObtain, ruleFor } from './decide.ts'
export { describe } from './describe.ts'
export { type AgentDenial, type Denial, holds, judge, judgeAgent, type Known, type Matter } from './judge.ts'
export { isHeard, liveGrants } from './life.ts'
export { findResource, parseRef, pathOf, refOf } from './naming.ts'
export { type OrganizationView, seatOf } from './organization.ts'
export { type Filter, filterFor, mayUse } from './reach.ts'
export * from './request.ts'
export { checkRule } from './rule.ts'
export { createSnapshot, type Snapshot } from './snapshot.ts'
export { carriedBy, refuseCaller } from './state.ts'
export { escapeSegment, parseTemplate, type Template } from './template.ts'
export type { ResourceTree } from './tree.ts'
export type { Refusal } from './walk.ts'
