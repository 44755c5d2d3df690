import { didYouMean, ROOT_TYPE } from '@valetkey/sdk/core'
import { MAPS, type MapName, type Policy } from './format.ts'
import { refuse } from './run.ts'

/** What there is before the policy is applied. */
export interface Known {
  resourceTypes: readonly string[]
  permissions: readonly string[]
  roles: readonly string[]
  /** As `agent:support-bot`. */
  principals: readonly string[]
}

type Check = (kind: string, name: string, path: readonly string[]) => void

/** Refuses what names a thing that neither exists nor is made by the policy; the fault is at the name. */
export function checkReferences(policy: Policy, known: Known): void {
  const names: Record<string, Set<string>> = {
    'resource type': new Set([ROOT_TYPE, ...known.resourceTypes, ...Object.keys(policy.resourceTypes)]),
    permission: new Set([...known.permissions, ...Object.keys(policy.permissions)]),
    role: new Set([...known.roles, ...Object.keys(policy.roles)]),
    principal: new Set([...known.principals, ...principalsOf(policy)]),
  }
  const check: Check = (kind, name, path) => {
    if (!names[kind]?.has(name))
      refuse(path, `There is no ${kind} "${name}".${didYouMean(name, names[kind] ?? [])}`)
  }
  checkTypes(policy, check)
  checkRules(policy, check)
  for (const [name, agent] of Object.entries(policy.agents))
    for (const [index, role] of (agent.roles ?? []).entries())
      check('role', role, ['agents', name, 'roles', String(index)])
  for (const [name, group] of Object.entries(policy.groups))
    for (const [index, member] of (group.members ?? []).entries())
      checkPrincipal(member, ['groups', name, 'members', String(index)], check)
  for (const [index, { to, role, on }] of policy.assignments.entries()) {
    const path = ['assignments', String(index)]
    checkPrincipal(to, [...path, 'to'], check)
    check('role', role, [...path, 'role'])
    if (on !== undefined) check('resource type', typeOf(on), [...path, 'on'])
  }
  for (const [index, sides] of policy.delegations.entries())
    for (const side of ['from', 'to'] as const)
      checkSide(sides[side], ['delegations', String(index), side], check)
  for (const [name, { rules = [] }] of Object.entries(policy.issuers))
    for (const [index, { agent }] of rules.entries())
      checkPrincipal(`agent:${agent}`, ['issuers', name, 'rules', String(index), 'agent'], check)
  for (const [name, { roles = [] }] of Object.entries(policy.identityProviders))
    for (const [index, { role, on }] of roles.entries()) {
      const path = ['identityProviders', name, 'roles', String(index)]
      check('role', role, [...path, 'role'])
      if (on !== undefined) check('resource type', typeOf(on), [...path, 'on'])
    }
}

function checkSide(side: string, path: readonly string[], check: Check): void {
  const role = /^role:(.+)$/s.exec(side)?.[1]
  if (role !== undefined) check('role', role, path)
  else if (side !== 'organization') checkPrincipal(side, path, check)
}

/** The principals that a policy names itself, as `agent:support-bot`. */
function principalsOf({ people, agents, services, groups }: Policy): string[] {
  const sections = { user: people, agent: agents, service: services, group: groups }
  return Object.entries(sections).flatMap(([kind, section]) =>
    Object.keys(section).map(name => `${kind}:${name.toLowerCase()}`),
  )
}

/** Only what says its kind can be looked for by name; anything else is left to the operation. */
function checkPrincipal(ref: string, path: readonly string[], check: Check): void {
  if (/^(user|agent|service|group):/.test(ref) && !/_[0-9a-z]{26}$/.test(ref))
    check('principal', ref.toLowerCase(), path)
}

function checkTypes(policy: Policy, check: Check): void {
  for (const [slug, { parents = [] }] of Object.entries(policy.resourceTypes))
    for (const [index, parent] of parents.entries())
      check('resource type', parent, ['resourceTypes', slug, 'parents', String(index)])
  for (const section of ['permissions', 'roles'] as const)
    for (const [slug, { type }] of Object.entries(policy[section]))
      if (type !== undefined) check('resource type', type, [section, slug, 'type'])
  for (const [ref, { parent }] of Object.entries(policy.resources)) {
    check('resource type', typeOf(ref), ['resources', ref])
    if (parent !== undefined) check('resource type', typeOf(parent), ['resources', ref, 'parent'])
  }
}

function typeOf(ref: string): string {
  return ref.slice(0, ref.indexOf('/'))
}

function checkRules(policy: Policy, check: Check): void {
  for (const [slug, role] of Object.entries(policy.roles))
    for (const [index, name] of role.permissions.entries())
      check('permission', name, ['roles', slug, 'permissions', String(index)])
  for (const [server, { tools, resources, prompts, methods }] of Object.entries(policy.servers)) {
    const maps = { tools, resources, prompts, methods }
    for (const map of Object.keys(MAPS) as MapName[])
      for (const [name, rule] of Object.entries(maps[map]))
        check('permission', rule.needs, ['servers', server, map, name, 'needs'])
  }
}
