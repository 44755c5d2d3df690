import * as directory from '../directory/index.ts'
import type { AgentPolicy, Policy } from './format.ts'
import { all, at, differences, gainsAndLosses, type Run } from './run.ts'

/** How a policy gives roles: as a person would, without an end. */
export const BY_HAND = { source: 'direct', sourceId: '', expiresAt: null } as const

type Agent = directory.OutputOf<'agents', 'get'>

/** Says how people may sign in. */
export async function applySignIn(
  { ctx, changes }: Run,
  policy: Policy,
  organization: string,
): Promise<void> {
  if (!policy.signIn) return
  const before = await directory.showSignInPolicy(ctx, { id: organization })
  const after = await at(
    ['signIn'],
    directory.updateSignInPolicy(ctx, { id: organization, ...policy.signIn }),
  )
  const detail = differences(before, after)
  if (detail !== '')
    changes.push({ sign: '~', kind: 'sign-in', name: policy.organization ?? organization, detail })
}

/** Adds the people who are missing; renames others. Nobody is removed. */
export async function applyPeople(
  { ctx, changes }: Run,
  policy: Policy,
  organization: string,
): Promise<void> {
  const standing = await all(page => directory.listPeople(ctx, { ...page, organization }))
  for (const [email, { name }] of Object.entries(policy.people)) {
    const path = ['people', email]
    const before = standing.find(person => person.email === directory.foldName(email))
    if (!before) {
      await at(path, directory.createPerson(ctx, { organization, email, name }))
      changes.push({ sign: '+', kind: 'person', name: email, detail: name })
    } else if (before.name !== name) {
      await at(path, directory.updatePerson(ctx, { organization, id: before.id, name }))
      changes.push({ sign: '~', kind: 'person', name: email, detail: differences(before, { name }) })
    }
  }
}

/** Registers or changes the named agents and, where the policy lists them, gives them exactly those roles. */
export async function applyAgents(run: Run, policy: Policy, organization: string): Promise<void> {
  const standing = await all(page => directory.listAgents(run.ctx, { ...page, organization }))
  for (const [name, agent] of Object.entries(policy.agents)) {
    const before = standing.find(one => directory.foldName(one.name) === directory.foldName(name))
    const id = before ? await change(run, before, agent) : await create(run, organization, name, agent)
    if (agent.roles)
      await applyAssignments(run, { id, name, organization }, agent.roles, alsoGiven(policy, name))
  }
}

async function create(
  { ctx, changes }: Run,
  organization: string,
  name: string,
  agent: AgentPolicy,
): Promise<string> {
  const { owner, purpose = '', kind = 'autonomous', ceiling = [], dpop } = agent
  const input = { organization, name, owner, purpose, kind, ceiling, dpop }
  const { id } = await at(['agents', name], directory.createAgent(ctx, input))
  changes.push({ sign: '+', kind: 'agent', name, detail: `owner ${owner}` })
  return id
}

async function change({ ctx, changes }: Run, before: Agent, agent: AgentPolicy): Promise<string> {
  const { id, organization, name } = before
  const { owner, purpose, kind, ceiling, dpop } = agent
  const isOwner = owner === before.owner || directory.foldName(owner) === before.ownerEmail
  const diffs = [
    isOwner ? '' : `owner ${before.ownerEmail} -> ${owner}`,
    differences(before, {
      ...(purpose !== undefined && { purpose }),
      ...(kind && { kind }),
      ...(dpop !== undefined && { dpop }),
    }),
    ceiling ? gainsAndLosses(before.ceiling, ceiling) : '',
  ]
  const detail = diffs.filter(diff => diff !== '').join(', ')
  if (!detail) return id
  await at(
    ['agents', name],
    directory.updateAgent(ctx, { organization, id, owner, purpose, kind, ceiling, dpop }),
  )
  changes.push({ sign: '~', kind: 'agent', name, detail })
  return id
}

/** Roles on the whole organization that the policy gives an agent by its list of assignments. */
function alsoGiven({ assignments }: Policy, agent: string): string[] {
  const names = [agent, `agent:${agent}`].map(directory.foldName)
  return assignments
    .filter(({ to, on }) => on === undefined && names.includes(directory.foldName(to)))
    .map(({ role }) => role)
}

/**
 * Exactly these roles on the organization, without an end. Roles on single resources, and those that come from elsewhere
 * (a group, an approval, the policy's own list of assignments), are not touched.
 */
async function applyAssignments(
  { ctx, changes }: Run,
  { id: principal, name, organization }: { id: string; name: string; organization: string },
  roles: readonly string[],
  also: readonly string[],
): Promise<void> {
  const standing = await all(page => directory.listAssignments(ctx, { ...page, organization, principal }))
  const held = standing.filter(
    ({ source, resource }) => source === 'direct' && resource.startsWith('organization/'),
  )
  for (const [index, role] of roles.entries()) {
    const before = held.find(assignment => assignment.role === role)
    if (before && before.expiresAt === null) continue
    const path = ['agents', name, 'roles', String(index)]
    await at(path, directory.createAssignment(ctx, { organization, principal, role, ...BY_HAND }))
    const detail = before ? `role ${role} no longer ends ${before.expiresAt}` : `role ${role}`
    changes.push({ sign: before ? '~' : '+', kind: 'assignment', name, detail })
  }
  for (const { id, role } of held.filter(({ role }) => !roles.includes(role) && !also.includes(role))) {
    await directory.removeAssignment(ctx, { organization, id })
    changes.push({ sign: '-', kind: 'assignment', name, detail: `role ${role}` })
  }
}
