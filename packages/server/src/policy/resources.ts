import { shapes } from '@valetkey/sdk/contract'
import { AppError } from '@valetkey/sdk/core'
import * as directory from '../directory/index.ts'
import type { AssignmentPolicy, Policy } from './format.ts'
import { BY_HAND } from './organization.ts'
import { all, at, differences, type Run, refuse } from './run.ts'

type Resource = directory.OutputOf<'resources', 'get'>

/** Registers the resources that are missing, each after what it lies below; renames and moves others. None is removed. */
export async function applyResources(run: Run, policy: Policy, organization: string): Promise<void> {
  let waiting = Object.entries(policy.resources)
  while (waiting.length > 0) {
    const names = new Set(waiting.map(([ref]) => ref))
    const ready = waiting.filter(([, { parent }]) => parent === undefined || !names.has(parent))
    const [first] = waiting
    if (ready.length === 0 && first)
      refuse(['resources', first[0], 'parent'], `"${first[0]}" would lie below itself.`)
    for (const [ref, resource] of ready) await applyResource(run, organization, ref, resource)
    waiting = waiting.filter(entry => !ready.includes(entry))
  }
}

async function applyResource(
  { ctx, changes }: Run,
  organization: string,
  ref: string,
  { name, parent }: Policy['resources'][string],
): Promise<void> {
  const path = ['resources', ref]
  const before = await find(ctx, organization, ref)
  const { type, id } = directory.readRef(ref)
  const fault = shapes.ExternalId.safeParse(id).error?.issues[0]
  if (fault) refuse(path, fault.message)
  if (!before) {
    const input = { organization, type, id, name: name ?? '', parent }
    const made = await at(path, directory.putResource(ctx, input))
    changes.push({ sign: '+', kind: 'resource', name: ref, detail: `below ${made.parent}` })
    return
  }
  const update = { ...(name !== undefined && { name }), ...(parent !== undefined && { parent }) }
  const detail = differences<Partial<Resource>>(before, update)
  if (!detail) return
  if (parent !== undefined && parent !== before.parent)
    await at(path, directory.moveResource(ctx, { organization, resource: ref, parent }))
  if (name !== undefined) await at(path, directory.putResource(ctx, { organization, type, id, name }))
  changes.push({ sign: '~', kind: 'resource', name: ref, detail })
}

async function find(
  ctx: directory.Context,
  organization: string,
  ref: string,
): Promise<Resource | undefined> {
  try {
    return await directory.showResource(ctx, { organization, resource: ref })
  } catch (cause) {
    if (cause instanceof AppError && cause.code === 'not_found') return undefined
    throw cause
  }
}

/** Gives every role that is listed; what was given otherwise stays. One whose time is over is taken away. */
export async function applyAssignments(run: Run, policy: Policy, organization: string): Promise<void> {
  for (const [index, assignment] of policy.assignments.entries())
    await applyAssignment(run, organization, ['assignments', String(index)], assignment)
}

async function applyAssignment(
  { ctx, changes }: Run,
  organization: string,
  path: readonly string[],
  { to, role, on, until }: AssignmentPolicy,
): Promise<void> {
  const expiresAt = until === undefined ? null : new Date(until).toISOString()
  const input = { organization, principal: to, role, resource: on }
  const standing = await at(
    path,
    all(page => directory.listAssignments(ctx, { ...page, ...input })),
  )
  // Without a resource the whole organization is meant, and with one that resource alone.
  const held = standing.find(
    one => one.source === 'direct' && (on !== undefined || one.resource.startsWith('organization/')),
  )
  const name = `${to} ${role}${on === undefined ? '' : ` on ${on}`}`
  if (expiresAt !== null && Date.parse(expiresAt) <= ctx.now()) {
    if (!held) return
    await directory.removeAssignment(ctx, { organization, id: held.id })
    changes.push({ sign: '-', kind: 'assignment', name, detail: `ended ${expiresAt}` })
    return
  }
  if (held?.expiresAt === expiresAt) return
  await at(path, directory.createAssignment(ctx, { ...input, ...BY_HAND, expiresAt }))
  const detail = expiresAt === null ? 'without an end' : `until ${expiresAt}`
  changes.push({ sign: held ? '~' : '+', kind: 'assignment', name, detail })
}
