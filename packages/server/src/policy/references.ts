import { didYouMean } from '@valetkey/sdk/core'
import { MAPS, type MapName, type Policy } from './format.ts'
import { refuse } from './run.ts'

/** What there is before the policy is applied. */
export interface Known {
  permissions: readonly string[]
  roles: readonly string[]
}

/** Refuses what names a permission or role that neither exists nor is made by the policy; the fault is at the name. */
export function checkReferences(policy: Policy, known: Known): void {
  const permissions = new Set([...known.permissions, ...Object.keys(policy.permissions)])
  const roles = new Set([...known.roles, ...Object.keys(policy.roles)])
  const check = (kind: string, names: Set<string>, name: string, path: readonly string[]) => {
    if (!names.has(name)) refuse(path, `There is no ${kind} "${name}".${didYouMean(name, names)}`)
  }
  for (const [slug, role] of Object.entries(policy.roles))
    for (const [index, name] of role.permissions.entries())
      check('permission', permissions, name, ['roles', slug, 'permissions', String(index)])
  for (const [server, { tools, resources, prompts, methods }] of Object.entries(policy.servers)) {
    const maps = { tools, resources, prompts, methods }
    for (const map of Object.keys(MAPS) as MapName[])
      for (const [name, rule] of Object.entries(maps[map]))
        check('permission', permissions, rule.needs, ['servers', server, map, name, 'needs'])
  }
  for (const [name, agent] of Object.entries(policy.agents))
    for (const [index, role] of (agent.roles ?? []).entries())
      check('role', roles, role, ['agents', name, 'roles', String(index)])
}
