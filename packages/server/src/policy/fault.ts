import { AppError, didYouMean } from '@valetkey/sdk/core'
import type * as z from 'zod'
import {
  AgentPolicy,
  AssignmentPolicy,
  DelegationPolicy,
  GroupPolicy,
  PermissionPolicy,
  PersonPolicy,
  Policy,
  ResourcePolicy,
  ResourceTypePolicy,
  RolePolicy,
  Rule,
  ServerPolicy,
  ServiceWords,
  ToolRule,
} from './format.ts'

/** One thing that is wrong with a policy, at a path such as `servers.billing.tools.refund.needs`. */
export interface Fault {
  path: readonly string[]
  message: string
  /** Points at the key rather than at its value. */
  atKey: boolean
}

/** The faults that the format itself finds, in the order of the policy. */
export function findFaults(policy: unknown): Fault[] {
  const parsed = Policy.safeParse(policy)
  if (parsed.success) return []
  return parsed.error.issues.flatMap(issue => toFaults(issue, policy))
}

/** Reads a policy that came over the wire: the parsed form, or `policy.invalid` with the path of the first fault. */
export function readPolicy(policy: unknown): Policy {
  const [fault] = findFaults(policy)
  if (fault) throw new AppError('policy.invalid', fault.message, { path: joinPath(fault.path) })
  return Policy.parse(policy)
}

export function joinPath(path: readonly string[]): string {
  return path.join('.')
}

function toFaults(issue: z.core.$ZodIssue, policy: unknown): Fault[] {
  const path = issue.path.map(String)
  const name = path.at(-1) ?? 'policy'
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map(key => ({
        path: [...path, key],
        message: `Unknown key "${key}".${didYouMean(key, knownKeys(path))}`,
        atKey: true,
      }))
    case 'invalid_key':
      return [
        { path, message: `"${name}" cannot be a name here. ${issue.issues[0]?.message ?? ''}`, atKey: true },
      ]
    case 'invalid_value': {
      if (path.length === 1 && name === 'version') return [{ path, message: issue.message, atKey: false }]
      const value = String(valueAt(policy, path))
      const words = issue.values.map(String)
      return [
        {
          path,
          message: `"${value}" is not one of ${words.join(', ')}.${didYouMean(value, words)}`,
          atKey: false,
        },
      ]
    }
    case 'invalid_type':
      if (valueAt(policy, path) === undefined)
        return [{ path, message: `"${name}" is missing; it takes ${article(issue.expected)}.`, atKey: true }]
      return [{ path, message: `"${name}" takes ${article(issue.expected)}.`, atKey: false }]
    default:
      return [{ path, message: issue.message, atKey: false }]
  }
}

const WORDS: Record<string, string> = { array: 'a list', object: 'a map', record: 'a map', string: 'a text' }

function article(expected: string): string {
  return WORDS[expected] ?? `a ${expected}`
}

function valueAt(policy: unknown, path: readonly string[]): unknown {
  let value = policy
  for (const key of path) {
    if (value === null || typeof value !== 'object' || !Object.hasOwn(value, key)) return undefined
    value = (value as Record<string, unknown>)[key]
  }
  return value
}

const SECTIONS: Record<string, z.ZodObject> = {
  people: PersonPolicy,
  resourceTypes: ResourceTypePolicy,
  permissions: PermissionPolicy,
  roles: RolePolicy,
  servers: ServerPolicy,
  agents: AgentPolicy,
  services: ServiceWords,
  groups: GroupPolicy,
  resources: ResourcePolicy,
  assignments: AssignmentPolicy,
  delegations: DelegationPolicy,
}

/** The keys that the format knows in the map at a path. */
function knownKeys(path: readonly string[]): string[] {
  if (path.length === 0) return Object.keys(Policy.shape)
  if (path.length === 4) return Object.keys(path[2] === 'tools' ? ToolRule.shape : Rule.shape)
  return Object.keys(SECTIONS[path[0] ?? '']?.shape ?? {})
}
