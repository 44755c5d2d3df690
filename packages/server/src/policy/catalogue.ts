import * as directory from '../directory/index.ts'
import type { Policy } from './format.ts'
import { all, at, differences, gainsAndLosses, type Run, refuse } from './run.ts'

type Named<K extends keyof Policy> = [string, Policy[K][keyof Policy[K] & string]][]

const ROOT_TYPE = 'organization'

/** Creates the resource types that are missing, each after those it lies below. */
export async function applyResourceTypes({ ctx, changes }: Run, policy: Policy): Promise<void> {
  const standing = await all(page => directory.listResourceTypes(ctx, page))
  const held = new Map(standing.map(type => [type.slug, type]))
  let waiting = Object.entries(policy.resourceTypes)
  for (const [slug, { name, parents }] of waiting) {
    const before = held.get(slug)
    const diff =
      before &&
      differences(before, {
        ...(name !== undefined && { name }),
        ...(parents && { parents: parents.toSorted() }),
      })
    if (diff)
      refuse(
        ['resourceTypes', slug],
        `The resource type "${slug}" exists and cannot be changed by a policy: ${diff}.`,
      )
  }
  waiting = waiting.filter(([slug]) => !held.has(slug))
  while (waiting.length > 0) {
    const ready = waiting.filter(([, { parents = [] }]) => parents.every(parent => held.has(parent)))
    const [first] = waiting
    if (ready.length === 0 && first)
      refuse(
        ['resourceTypes', first[0], 'parents'],
        `A parent of "${first[0]}" does not exist, or lies below it.`,
      )
    for (const [slug, { name = '', parents = [] }] of ready) {
      const made = await at(
        ['resourceTypes', slug],
        directory.createResourceType(ctx, { slug, name, parents, instances: 'registered' }),
      )
      held.set(slug, made)
      changes.push({
        sign: '+',
        kind: 'resource type',
        name: slug,
        detail: `below ${made.parents.join(', ')}`,
      })
    }
    waiting = waiting.filter(([slug]) => !held.has(slug))
  }
}

/** Creates the permissions that are missing; changes the label and risk of others. */
export async function applyPermissions({ ctx, changes }: Run, policy: Policy): Promise<void> {
  const standing = await all(page => directory.listPermissions(ctx, page))
  const held = new Map(standing.map(permission => [permission.slug, permission]))
  for (const [slug, { type, label, risk }] of Object.entries(policy.permissions)) {
    const path = ['permissions', slug]
    const before = held.get(slug)
    if (!before) {
      const input = {
        slug,
        type: type ?? ROOT_TYPE,
        label: label ?? '',
        risk: risk ?? ('write' as const),
        condition: null,
      }
      await at(path, directory.createPermission(ctx, input))
      changes.push({ sign: '+', kind: 'permission', name: slug, detail: input.risk })
      continue
    }
    if (type !== undefined && type !== before.type)
      refuse([...path, 'type'], `"${slug}" belongs to the resource type ${before.type}, for good.`)
    const update = { ...(label !== undefined && { label }), ...(risk && { risk }) }
    const detail = differences(before, update)
    if (!detail) continue
    await at(path, directory.updatePermission(ctx, { id: before.id, ...update }))
    changes.push({ sign: '~', kind: 'permission', name: slug, detail })
  }
}

/** Makes every named role hold exactly what the policy says. */
export async function applyRoles({ ctx, changes }: Run, policy: Policy): Promise<void> {
  const standing = await all(page => directory.listRoles(ctx, page))
  const held = new Map(standing.map(role => [role.slug, role]))
  for (const [slug, { name, type, permissions }] of Object.entries(policy.roles) as Named<'roles'>) {
    const path = ['roles', slug]
    const before = held.get(slug)
    if (!before) {
      const input = { slug, name: name ?? '', type: type ?? ROOT_TYPE, permissions }
      await at(path, directory.createRole(ctx, input))
      changes.push({ sign: '+', kind: 'role', name: slug, detail: gainsAndLosses([], permissions) })
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
    await at(path, directory.updateRole(ctx, { id: before.id, name, permissions }))
    changes.push({ sign: '~', kind: 'role', name: slug, detail })
  }
}
