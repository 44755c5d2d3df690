import { ROOT_TYPE } from '../../packages/sdk/src/core/index.ts'
import type { Schema } from './schema.ts'
import { type Assignment, pathOf, removeResource, type World } from './spec.ts'

/** The organization's own resource. */
export const ROOT = `${ROOT_TYPE}/acme`

/** What can happen in an organization. Roles, principals and resources go by their names. */
export type Command =
  | { do: 'add'; resources: { resource: string; type: string; parent: string }[] }
  | { do: 'move'; resource: string; parent: string }
  | { do: 'remove'; resource: string }
  | { do: 'give'; assignment: Assignment }
  | { do: 'take'; assignment: Assignment }
  | { do: 'clear principal'; principal: string }
  | { do: 'clear resource'; resource: string }
  | { do: 'join'; group: string; member: string }
  | { do: 'leave'; group: string; member: string }
  | { do: 'edit role'; role: string; permissions: string[] }
  | { do: 'set status'; principal: string; status: 'active' | 'suspended' }
  | { do: 'create group' | 'remove group'; group: string }
  | { do: 'wait'; ms: number }

export function createWorld(schema: Schema, now: number): World {
  return {
    now,
    permissions: new Map(schema.permissions.map(({ slug, type }) => [slug, type])),
    roles: new Map(schema.roles.map(({ slug, permissions }) => [slug, new Set(permissions)])),
    principals: new Map(schema.principals.map(({ name }) => [name, 'active'])),
    members: [],
    resources: new Map([[ROOT, { type: ROOT_TYPE, parent: null }]]),
    assignments: [],
  }
}

export const isSame = (a: Assignment, b: Assignment) =>
  a.principal === b.principal && a.role === b.role && a.resource === b.resource && a.source === b.source

/** Whether the rules of the schema and the state of the world let this happen; else it must be refused. */
export function isPossible(schema: Schema, world: World, command: Command): boolean {
  const typeOf = (resource: string) => world.resources.get(resource)?.type ?? ''
  const mayLieIn = (type: string, parent: string) =>
    schema.types.find(({ slug }) => slug === type)?.parents.includes(typeOf(parent)) ?? false
  switch (command.do) {
    case 'add':
      return command.resources.every(
        ({ resource, type, parent }) => !world.resources.has(resource) && mayLieIn(type, parent),
      )
    case 'move':
      return (
        mayLieIn(typeOf(command.resource), command.parent) &&
        !pathOf(world, command.parent).includes(command.resource)
      )
    case 'remove':
    case 'clear resource':
      return command.resource !== ROOT && world.resources.has(command.resource)
    case 'give': {
      const { principal, role, resource } = command.assignment
      const type = schema.roles.find(({ slug }) => slug === role)?.type
      return world.principals.has(principal) && type === typeOf(resource)
    }
    case 'take':
      return world.assignments.some(one => isSame(one, command.assignment))
    case 'join':
      return (
        world.principals.has(command.group) &&
        world.principals.has(command.member) &&
        command.group !== command.member
      )
    case 'leave':
      return world.members.some(({ group, member }) => group === command.group && member === command.member)
    case 'create group':
      return !world.principals.has(command.group)
    case 'remove group':
      return world.principals.has(command.group)
    default:
      return true
  }
}

/** Does to the specification's world what a possible command says. */
export function happen(world: World, command: Command): void {
  switch (command.do) {
    case 'add':
      for (const { resource, type, parent } of command.resources)
        world.resources.set(resource, { type, parent })
      return
    case 'move':
      world.resources.set(command.resource, {
        type: world.resources.get(command.resource)?.type ?? '',
        parent: command.parent,
      })
      return
    case 'remove':
      removeResource(world, command.resource)
      return
    case 'give':
      world.assignments = world.assignments.filter(one => !isSame(one, command.assignment))
      world.assignments.push(command.assignment)
      return
    case 'take':
      world.assignments = world.assignments.filter(one => !isSame(one, command.assignment))
      return
    case 'clear principal':
      world.assignments = world.assignments.filter(one => one.principal !== command.principal)
      return
    case 'clear resource':
      world.assignments = world.assignments.filter(one => one.resource !== command.resource)
      return
    case 'join':
      happen(world, { ...command, do: 'leave' })
      world.members.push({ group: command.group, member: command.member })
      return
    case 'leave':
      world.members = world.members.filter(
        ({ group, member }) => group !== command.group || member !== command.member,
      )
      return
    case 'edit role':
      world.roles.set(command.role, new Set(command.permissions))
      return
    case 'set status':
      world.principals.set(command.principal, command.status)
      return
    case 'create group':
      world.principals.set(command.group, 'active')
      return
    case 'remove group':
      world.principals.delete(command.group)
      world.members = world.members.filter(
        ({ group, member }) => group !== command.group && member !== command.group,
      )
      world.assignments = world.assignments.filter(one => one.principal !== command.group)
      return
    case 'wait':
      world.now += command.ms
  }
}
