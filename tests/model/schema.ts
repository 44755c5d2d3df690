import { ROOT_TYPE } from '../../packages/sdk/src/core/index.ts'
import { createDice } from './dice.ts'

/** What of an organization does not change in a run: the mirror of a product. */
export interface Schema {
  /** Parents before children; the first is the organization. */
  types: { slug: string; parents: string[] }[]
  permissions: { slug: string; type: string }[]
  roles: { slug: string; type: string; permissions: string[]; isOwn: boolean }[]
  principals: { name: string; kind: 'user' | 'agent' | 'service' | 'group' }[]
  /** The types that lie below a type, and itself. */
  within: Map<string, Set<string>>
}

const KINDS = ['user', 'agent', 'user', 'service', 'group', 'group'] as const

/** Makes a schema out of numbers: two to five types below the organization, in a chain, a tree or a net. */
export function createSchema(numbers: readonly number[]): Schema {
  const dice = createDice(numbers)
  const types: Schema['types'] = [{ slug: ROOT_TYPE, parents: [] }]
  for (let n = 1, count = 2 + dice.roll(4); n <= count; n++) {
    const parents = dice.some(types, 3).map(({ slug }) => slug)
    const last = types.at(-1)?.slug ?? ROOT_TYPE
    types.push({ slug: `type-${n}`, parents: parents.length > 0 ? parents : [last] })
  }
  const within = new Map(types.map(({ slug }) => [slug, typesWithin(types, slug)]))
  const permissions = types.flatMap(({ slug }, n) => {
    const actions = ['read', 'write'].slice(0, 1 + dice.roll(2))
    return actions.map(action => ({ slug: `thing${n}:${action}`, type: slug }))
  })
  const roles = Array.from({ length: 3 + dice.roll(4) }, (_, n) => {
    const type = dice.pick(types)?.slug ?? ROOT_TYPE
    const possible = permissions.filter(permission => within.get(type)?.has(permission.type))
    const held = dice.some(possible, 2).map(({ slug }) => slug)
    return { slug: `role-${n}`, type, permissions: held, isOwn: dice.roll(3) === 2 }
  })
  const principals = KINDS.map((kind, n) => ({ kind, name: `${kind}-${n}` }))
  return { types, permissions, roles, principals, within }
}

function typesWithin(types: Schema['types'], slug: string): Set<string> {
  const found = new Set([slug])
  for (const type of types) if (type.parents.some(parent => found.has(parent))) found.add(type.slug)
  return found
}
