import { type Command, ROOT } from './commands.ts'
import { createDice, type Dice } from './dice.ts'
import type { Schema } from './schema.ts'
import type { Assignment, World } from './spec.ts'

/** How many numbers one command takes. */
export const NUMBERS_A_STEP = 12

/** How often what happens: more often what makes a world than what empties it. */
const WEIGHTS: Record<Command['do'], number> = {
  add: 12,
  give: 14,
  move: 8,
  join: 6,
  'edit role': 4,
  'set status': 4,
  wait: 3,
  take: 3,
  'create group': 3,
  remove: 2,
  leave: 2,
  'clear principal': 1,
  'clear resource': 1,
  'remove group': 1,
}
const KINDS = Object.entries(WEIGHTS).flatMap(([kind, weight]) =>
  Array.from({ length: weight }, () => kind as Command['do']),
)
const GROUPS = ['group-4', 'group-5', 'group-6']
const IDS_A_TYPE = 5
/** Assignments end at, just before and just after the times that are waited for. */
const TICK_MS = 1_000

/** Chooses what happens next. It may well be something that must be refused. */
export function chooseCommand(schema: Schema, world: World, numbers: readonly number[]): Command {
  const dice = createDice(numbers)
  const kind = dice.pick(KINDS) ?? 'wait'
  const resource = () => dice.pick([...world.resources.keys()]) ?? ROOT
  const principal = () => dice.pick([...world.principals.keys()]) ?? ''
  const group = () => dice.pick(GROUPS) ?? ''
  switch (kind) {
    case 'add':
      return { do: kind, resources: chooseResources(schema, world, dice) }
    case 'move':
      return { do: kind, ...chooseMove(schema, world, dice) }
    case 'remove':
    case 'clear resource':
      return { do: kind, resource: resource() }
    case 'give':
      return { do: kind, assignment: chooseAssignment(schema, world, dice) }
    case 'take':
      return { do: kind, assignment: dice.pick(world.assignments) ?? chooseAssignment(schema, world, dice) }
    case 'clear principal':
      return { do: kind, principal: principal() }
    case 'join':
      return { do: kind, group: group(), member: principal() }
    case 'leave': {
      const { group: left, member } = dice.pick(world.members) ?? { group: group(), member: principal() }
      return { do: kind, group: left, member }
    }
    case 'edit role':
      return { do: kind, ...choosePermissions(schema, dice) }
    case 'set status':
      return { do: kind, principal: principal(), status: dice.roll(4) === 3 ? 'suspended' : 'active' }
    case 'create group':
    case 'remove group':
      return { do: kind, group: group() }
    case 'wait':
      return { do: kind, ms: dice.roll(4) * TICK_MS }
  }
}

function chooseResources(schema: Schema, world: World, dice: Dice) {
  const below = schema.types.slice(1)
  const able = below.filter(({ parents }) => placesFor(world, parents).length > 0)
  const first = dice.pick(able)
  if (!first) return []
  const parent = dice.pick(placesFor(world, first.parents)) ?? ROOT
  const name = (type: string, n: number) => `${type}/${n % IDS_A_TYPE}`
  // A name that is taken must be refused; mostly it is one that is free.
  const n = dice.roll(IDS_A_TYPE)
  const free = [n, n + 1, n + 2].find(one => !world.resources.has(name(first.slug, one))) ?? n
  const added = [{ resource: name(first.slug, free), type: first.slug, parent }]
  // One import may register a branch: the parent of a row can be an earlier row.
  const child = below.find(({ parents: possible }) => possible.includes(first.slug))
  if (child && dice.roll(3) === 2)
    added.push(
      { resource: name(first.slug, free + 1), type: first.slug, parent },
      { resource: name(child.slug, n), type: child.slug, parent: name(first.slug, free) },
    )
  return added
}

/** Mostly to where it may lie, now and then to where it must not. */
function chooseMove(schema: Schema, world: World, dice: Dice): { resource: string; parent: string } {
  const resources = [...world.resources.keys()]
  const resource = dice.pick(resources.slice(1)) ?? ROOT
  const type = schema.types.find(({ slug }) => slug === world.resources.get(resource)?.type)
  const places = dice.roll(5) === 4 ? resources : placesFor(world, type?.parents ?? [])
  return { resource, parent: dice.pick(places) ?? ROOT }
}

function placesFor(world: World, types: readonly string[]): string[] {
  return [...world.resources].filter(([, { type }]) => types.includes(type)).map(([resource]) => resource)
}

function chooseAssignment(schema: Schema, world: World, dice: Dice): Assignment {
  const roles = schema.roles.filter(({ type }) => placesFor(world, [type]).length > 0)
  // Where none can be given anywhere, one is tried that must be refused.
  const role = dice.pick(roles) ?? schema.roles[0]
  return {
    principal: dice.pick([...world.principals.keys()]) ?? '',
    role: role?.slug ?? '',
    resource: dice.pick(placesFor(world, [role?.type ?? ''])) ?? ROOT,
    source: dice.roll(4) === 3 ? 'idp' : 'direct',
    expiresAt: dice.roll(3) === 2 ? world.now + (1 + dice.roll(5)) * TICK_MS : null,
  }
}

function choosePermissions(schema: Schema, dice: Dice) {
  const role = dice.pick(schema.roles)
  const possible = schema.permissions.filter(({ type }) => schema.within.get(role?.type ?? '')?.has(type))
  return { role: role?.slug ?? '', permissions: dice.some(possible, 2).map(({ slug }) => slug) }
}
