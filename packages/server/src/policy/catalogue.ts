import { ROOT_TYPE } from '@valetkey/sdk/core'
import * as directory from '../directory/index.ts'
import type { Policy } from './format.ts'
import { all, at, differences, gainsAndLosses, type Run, refuse } from './run.ts'

/** Creates the resource types that are missing, each after those it lies below; changes the words and parents of others. */
export async function applyResourceTypes({ ctx, changes }: Run, policy: Policy): Promise<void> {
  const standing = await all(page => directory.listResourceTypes(ctx, page))
  const held = new Map(standing.map(type => [type.slug, type]))
  let waiting = Object.entries(policy.resourceTypes).filter(([slug]) => !held.has(slug))
  while (waiting.length > 0) {
    const ready = waiting.filter(([, { parents = [] }]) => parents.every(parent => held.has(parent)))
    const [first] = waiting
    if (ready.length === 0 && first)
      refuse(
        ['resourceTypes', first[0], 'parents'],
        `A parent of "${first[0]}" does not exist, or lies below it.`,
      )
    for (const [slug, { name = '', parents = [], instances = 'registered' }] of ready) {
      const input = { slug, name, parents, instances }
      const made = await at(['resourceTypes', slug], directory.createResourceType(ctx, input))
      held.set(slug, made)
      const open = made.instances === 'open' ? ', open' : ''
      const detail = `below ${made.parents.join(', ')}${open}`
      changes.push({ sign: '+', kind: 'resource type', name: slug, detail })
    }
    waiting = waiting.filter(([slug]) => !held.has(slug))
  }
  for (const before of standing) {
    const wanted = policy.resourceTypes[before.slug]
    if (wanted) await changeResourceType({ ctx, changes }, before, wanted)
  }
}

async function changeResourceType(
  { ctx, changes }: Run,
  before: directory.OutputOf<'resourceTypes', 'create'>,
  { name, parents, instances }: Policy['resourceTypes'][string],
): Promise<void> {
  const path = ['resourceTypes', before.slug]
  if (instances !== undefined && instances !== before.instances)
    refuse([...path, 'instances'], `The instances of "${before.slug}" are ${before.instances}, for good.`)
  const update = { ...(name !== undefined && { name }), ...(parents && { parents: parents.toSorted() }) }
  const detail = differences(before, update)
  if (!detail) return
  await at(path, directory.updateResourceType(ctx, { id: before.slug, ...update }))
  changes.push({ sign: '~', kind: 'resource type', name: before.slug, detail })
}

/** Creates the permissions that are missing; changes the label, risk and condition of others. */
export async function applyPermissions({ ctx, changes }: Run, policy: Policy): Promise<void> {
  const standing = await all(page => directory.listPermissions(ctx, page))
  const held = new Map(standing.map(permission => [permission.slug, permission]))
  for (const [slug, { type, label, risk, condition }] of Object.entries(policy.permissions)) {
    const path = ['permissions', slug]
    const before = held.get(slug)
    if (!before) {
      const input = {
        slug,
        type: type ?? ROOT_TYPE,
        label: label ?? '',
        risk: risk ?? ('write' as const),
        condition: condition ?? null,
      }
      await at(path, directory.createPermission(ctx, input))
      changes.push({ sign: '+', kind: 'permission', name: slug, detail: input.risk })
      continue
    }
    if (type !== undefined && type !== before.type)
      refuse([...path, 'type'], `"${slug}" belongs to the resource type ${before.type}, for good.`)
    const update = {
      ...(label !== undefined && { label }),
      ...(risk && { risk }),
      ...(condition !== undefined && { condition }),
    }
    const detail = differences(before, update)
    if (!detail) continue
    await at(path, directory.updatePermission(ctx, { id: before.id, ...update }))
    changes.push({ sign: '~', kind: 'permission', name: slug, detail })
  }
}

/** Makes every named role hold exactly what the policy says: those that are there for all, or the organization's own. */
export async function applyRoles(
  { ctx, changes }: Run,
  policy: Policy,
  organization: string | undefined,
): Promise<void> {
  const standing = await all(page => directory.listRoles(ctx, { ...page, organization }))
  for (const [slug, { name, type, permissions, organization: isOwn = false }] of Object.entries(
    policy.roles,
  )) {
    const path = ['roles', slug]
    const kind = isOwn ? 'own role' : 'role'
    const home = isOwn ? organization : undefined
    const before = standing.find(role => role.slug === slug && (role.organization !== null) === isOwn)
    if (!before) {
      const input = { organization: home, slug, name: name ?? '', type: type ?? ROOT_TYPE, permissions }
      await at(path, directory.createRole(ctx, input))
      changes.push({ sign: '+', kind, name: slug, detail: gainsAndLosses([], permissions) })
      continue
    }
    if (type !== undefined && type !== before.type)
      refuse([...path, 'type'], `"${slug}" is a role on ${before.type}, for good.`)
    const diffs = [
      gainsAndLosses(before.permissions, permissions),
      differences(before, { ...(name !== undefined && { name }) }),
    ]
    const detail = diffs.filter(diff => diff !== '').join(', ')
    if (!detail) continue
    await at(path, directory.updateRole(ctx, { organization: home, id: before.id, name, permissions }))
    changes.push({ sign: '~', kind, name: slug, detail })
  }
}
