import { Environment, type ParseResult } from '@marcbachmann/cel-js'
import type { JsonObject } from '../core/index.ts'

/** What the condition of a tool may look at. Times are CEL timestamps, `person` is empty where nobody authorized. */
export interface ConditionInput {
  args: JsonObject
  agent: string
  person: string
  organization: string
  server: string
  tool: string
  now: Date
}

/** What the condition of a permission may look at: the entities of AuthZEN, each with its properties. */
export interface PermissionInput {
  subject: { type: string; id: string; properties: JsonObject }
  resource: { type: string; id: string; properties: JsonObject }
  action: { name: string; properties: JsonObject }
  context: JsonObject
}

const limits = { maxAstNodes: 500, maxDepth: 40 }

const toolConditions = new Environment({ limits })
  .registerVariable('args', 'map')
  .registerVariable('agent', 'string')
  .registerVariable('person', 'string')
  .registerVariable('organization', 'string')
  .registerVariable('server', 'string')
  .registerVariable('tool', 'string')
  .registerVariable('now', 'google.protobuf.Timestamp')

const permissionConditions = new Environment({ limits })
  .registerVariable('subject', 'map')
  .registerVariable('resource', 'map')
  .registerVariable('action', 'map')
  .registerVariable('context', 'map')

/** Compiles the condition of a tool's rule. What does not compile, and an error while it is evaluated, is a "no". */
export function compileToolCondition(text: string | null): (input: ConditionInput) => boolean {
  return compile(toolConditions, text)
}

/** Compiles the condition of a permission, likewise. */
export function compilePermissionCondition(text: string | null): (input: PermissionInput) => boolean {
  return compile(permissionConditions, text)
}

/** What is wrong with a condition before it is stored, as a sentence, or null. */
export function checkToolCondition(text: string | null): string | null {
  return check(toolConditions, text)
}

export function checkPermissionCondition(text: string | null): string | null {
  return check(permissionConditions, text)
}

function compile<Input extends object>(
  environment: Environment,
  text: string | null,
): (input: Input) => boolean {
  if (text === null) return () => true
  let program: ParseResult
  try {
    program = environment.parse(text)
  } catch {
    return () => false
  }
  return input => {
    try {
      return program(input as Record<string, unknown>) === true
    } catch {
      return false
    }
  }
}

function check(environment: Environment, text: string | null): string | null {
  if (text === null) return null
  try {
    const checked = environment.parse(text).check()
    if (!checked.valid) return `The condition is not valid CEL: ${checked.error?.message ?? text}`
    if (checked.type !== 'bool' && checked.type !== 'dyn')
      return `The condition must be true or false, but it is of type ${checked.type}.`
  } catch (cause) {
    return `The condition is not valid CEL: ${cause instanceof Error ? cause.message : text}`
  }
  return null
}
