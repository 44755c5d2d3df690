import { AppError, CATALOGUE } from '@valetkey/sdk/core'
import * as directory from '../directory/index.ts'
import { applyPermissions, applyResourceTypes, applyRoles } from './catalogue.ts'
import { applyDelegations } from './delegations.ts'
import { readPolicy } from './fault.ts'
import type { Policy } from './format.ts'
import { applyIdentityProviders } from './identity.ts'
import { applyIssuers } from './issuers.ts'
import { applyGroups, applyServiceNames } from './members.ts'
import { applyAgents, applyPeople, applySignIn } from './organization.ts'
import { checkReferences, type Known } from './references.ts'
import { applyAssignments, applyResources } from './resources.ts'
import { all, type PolicyChange, type Run } from './run.ts'
import { applyServers } from './servers.ts'

/**
 * Makes what stands agree with a policy, whole or not at all: one revision of the catalogue, one of the organization,
 * and none where nothing differs. A fault carries the path of the part at fault. What the policy does not name stays.
 */
export async function applyPolicy(
  ctx: directory.Context,
  input: directory.InputOf<'policy', 'apply'>,
): Promise<directory.OutputOf<'policy', 'apply'>> {
  const policy = readPolicy(input.policy)
  const organization = await organizationOf(ctx, policy, input.organization)
  const touched = organization === undefined ? [CATALOGUE] : [CATALOGUE, organization]
  const apply = (inside: directory.Context) => run(inside, policy, organization)
  const changes = await directory.asOneChange(ctx, touched, apply, { isRehearsal: input.dryRun })
  return { changes, applied: !input.dryRun }
}

async function run(
  ctx: directory.Context,
  policy: Policy,
  organization: string | undefined,
): Promise<PolicyChange[]> {
  const changes: PolicyChange[] = []
  const here: Run = { ctx, changes }
  checkReferences(policy, await readKnown(ctx, policy, organization))
  await applyResourceTypes(here, policy)
  await applyPermissions(here, policy)
  await applyRoles(here, policy, organization)
  await applyServers(here, policy)
  if (organization === undefined) return changes
  await applySignIn(here, policy, organization)
  await applyPeople(here, policy, organization)
  await applyServiceNames(here, policy, organization)
  await applyAgents(here, policy, organization)
  await applyGroups(here, policy, organization)
  await applyResources(here, policy, organization)
  await applyAssignments(here, policy, organization)
  await applyDelegations(here, policy, organization)
  await applyIdentityProviders(here, policy, organization)
  await applyIssuers(here, policy, organization)
  return changes
}

/** What the policy may name beside its own. Principals are read only where it says to whom something is given. */
async function readKnown(
  ctx: directory.Context,
  policy: Policy,
  organization: string | undefined,
): Promise<Known> {
  const types = await all(page => directory.listResourceTypes(ctx, page))
  const permissions = await all(page => directory.listPermissions(ctx, page))
  const roles = await all(page => directory.listRoles(ctx, { ...page, organization }))
  const { assignments, delegations, groups, issuers } = policy
  const named = [assignments, delegations, Object.keys(groups), Object.keys(issuers)]
  const isGiving = named.some(section => section.length > 0)
  return {
    resourceTypes: types.map(type => type.slug),
    permissions: permissions.map(permission => permission.slug),
    roles: roles.map(role => role.slug),
    principals:
      isGiving && organization !== undefined ? await directory.listPrincipalNames(ctx, organization) : [],
  }
}

/** The organization whose people, agents, resources and so on the policy names; undefined where it names none. */
async function organizationOf(
  ctx: directory.Context,
  policy: Policy,
  wanted: string | undefined,
): Promise<string | undefined> {
  const { signIn = {}, people, agents, services, groups, resources, assignments, delegations, roles } = policy
  const { identityProviders, issuers } = policy
  const sections = [
    signIn,
    people,
    agents,
    services,
    groups,
    resources,
    assignments,
    delegations,
    identityProviders,
    issuers,
  ]
  const isNeeded =
    sections.some(section => Object.keys(section).length > 0) ||
    Object.values(roles).some(role => role.organization)
  if (!isNeeded && policy.organization === undefined) return undefined
  try {
    const found = await directory.getOrganization(ctx.store.db, policy.organization ?? wanted)
    if (wanted === undefined || wanted === found.id || wanted === found.slug) return found.id
  } catch (cause) {
    if (!(cause instanceof AppError)) throw cause
    throw new AppError('policy.invalid', cause.message, { path: 'organization', cause })
  }
  throw new AppError('policy.invalid', `The policy is for ${policy.organization}, not for ${wanted}.`, {
    path: 'organization',
  })
}
