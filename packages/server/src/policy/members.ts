import * as directory from '../directory/index.ts'
import type { Policy } from './format.ts'
import { all, at, differences, gainsAndLosses, type Run, refuse } from './run.ts'

/** Adds the services that are missing. None is removed. */
export async function applyServiceNames(
  { ctx, changes }: Run,
  policy: Policy,
  organization: string,
): Promise<void> {
  const standing = await all(page => directory.listServices(ctx, { ...page, organization }))
  for (const [name, { title }] of Object.entries(policy.services)) {
    const path = ['services', name]
    const before = standing.find(service => service.name === directory.foldName(name))
    if (before && title !== undefined && title !== before.title)
      refuse([...path, 'title'], `The service "${name}" is called "${before.title}", for good.`)
    if (before) continue
    await at(path, directory.createService(ctx, { organization, name, title: title ?? '' }))
    changes.push({ sign: '+', kind: 'service', name, detail: title ?? '' })
  }
}

/** Adds the groups that are missing and, where the policy lists them, gives them exactly those members. */
export async function applyGroups(run: Run, policy: Policy, organization: string): Promise<void> {
  const { ctx, changes } = run
  const standing = await all(page => directory.listGroups(ctx, { ...page, organization }))
  const groups = Object.entries(policy.groups)
  for (const [name, { title }] of groups) {
    const path = ['groups', name]
    const before = standing.find(group => group.name === directory.foldName(name))
    if (before && title !== undefined && differences(before, { title }) !== '')
      refuse([...path, 'title'], `The group "${name}" is called "${before.title}", for good.`)
    if (before) continue
    await at(path, directory.createGroup(ctx, { organization, name, title: title ?? '' }))
    changes.push({ sign: '+', kind: 'group', name, detail: title ?? '' })
  }
  // Only now, since groups may belong to each other.
  for (const [name, { members }] of groups) if (members) await applyMembers(run, organization, name, members)
}

async function applyMembers(
  { ctx, changes }: Run,
  organization: string,
  name: string,
  members: readonly string[],
): Promise<void> {
  const group = `group:${name}`
  const held = await all(page => directory.listMembers(ctx, { ...page, organization, group }))
  const wanted = new Map<string, string>()
  for (const [index, member] of members.entries()) {
    const path = ['groups', name, 'members', String(index)]
    const added = await at(path, directory.addMember(ctx, { organization, group, member }))
    wanted.set(added.principal, nameOf(added))
  }
  for (const { principal } of held.filter(member => !wanted.has(member.principal)))
    await directory.dropMember(ctx, { organization, group, member: principal })
  const detail = gainsAndLosses(held.map(nameOf), [...wanted.values()])
  if (detail !== '') changes.push({ sign: '~', kind: 'group', name, detail })
}

function nameOf({ kind, name }: directory.OutputOf<'groups', 'add'>): string {
  return `${kind}:${name}`
}
