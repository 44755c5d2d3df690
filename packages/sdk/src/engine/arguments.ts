import { type Schema, Validator } from '@cfworker/json-schema'
import type { JsonObject, ToolFact } from '../core/index.ts'

/** Keywords under which unknown members cannot be told from known ones by looking at one schema alone. */
const COMBINING = ['allOf', 'anyOf', 'oneOf', 'if', 'not', '$ref', '$dynamicRef', 'dependentSchemas'] as const

/**
 * Compiles the pinned input schema of a tool into a check of arguments: a sentence where they do not match, or null.
 * Members that the schema does not name are refused, although JSON Schema lets them pass by default: a tool that
 * reads an argument nobody approved is how a call does more than its rule says.
 */
export function compileArguments(
  fact: Pick<ToolFact, 'kind' | 'inputSchema'>,
): (args: JsonObject) => string | null {
  if (fact.kind !== 'tool') return () => null
  if (fact.inputSchema === null) return () => 'The tool has no approved input schema.'
  let validator: Validator
  const schema = closed(fact.inputSchema) as Schema
  try {
    validator = new Validator(schema, '2020-12', false)
    validator.validate({})
  } catch {
    return () => 'The approved input schema cannot be read.'
  }
  const isPlainMatch = compilePlain(schema)
  return args => {
    if (isPlainMatch?.(args)) return null
    try {
      const result = validator.validate(args)
      if (result.valid) return null
      // The last error is the innermost: the one that names the argument at fault.
      const fault = result.errors.at(-1)
      if (!fault) return 'No match.'
      const at = fault.instanceLocation.replace(/^#\/?/, '') || 'arguments'
      return `${shorten(at)}: ${shorten(fault.error)}`
    } catch {
      return 'The arguments cannot be checked against the approved input schema.'
    }
  }
}

/** Keywords that judge nothing. */
const FOR_PEOPLE = new Set(['title', 'description', 'default', 'examples'])
const PLAIN_TYPES = new Set(['string', 'number', 'integer', 'boolean'])

/**
 * A quick yes for the schemas of nearly all tools, which say of a few members that they are text, numbers or booleans:
 * the validator, which looks for every keyword in every schema at every call, costs as much as the rest of a decision.
 * False is no answer. Null where a schema says anything else.
 */
function compilePlain(schema: Schema): ((args: JsonObject) => boolean) | null {
  const { $schema: _, type, properties = {}, required = [], additionalProperties, ...more } = schema
  const isPlain = type === 'object' && additionalProperties === false && Array.isArray(required)
  if (!isPlain || !Object.keys(more).every(keyword => FOR_PEOPLE.has(keyword))) return null
  const types = new Map<string, string>()
  for (const [name, member] of Object.entries(properties)) {
    const { type, ...more } = typeof member === 'object' && member !== null ? member : {}
    if (typeof type !== 'string' || !PLAIN_TYPES.has(type)) return null
    if (!Object.keys(more).every(keyword => FOR_PEOPLE.has(keyword))) return null
    types.set(name, type)
  }
  return args => {
    for (const name in args) if (!isOfType(args[name], types.get(name))) return false
    return required.every(name => Object.hasOwn(args, name))
  }
}

function isOfType(value: unknown, type: string | undefined): boolean {
  return type === 'integer' ? Number.isInteger(value) : type !== undefined && typeof value === type
}

/** A caller chooses how its arguments are called, and this goes on record. */
const LONGEST_SAID = 300

function shorten(text: string): string {
  return text.length > LONGEST_SAID ? `${text.slice(0, LONGEST_SAID)}…` : text
}

/** The same schema with every object closed that names its members and does not say itself what else may be there. */
function closed(schema: unknown): unknown {
  if (schema === null || typeof schema !== 'object' || Array.isArray(schema)) return schema
  const result: Record<string, unknown> = { ...schema }
  if (COMBINING.some(keyword => keyword in result)) {
    if (!('additionalProperties' in result) && !('unevaluatedProperties' in result) && isObjectSchema(result))
      result['unevaluatedProperties'] = false
    return result
  }
  if (isObjectSchema(result)) {
    const properties = (result['properties'] ?? {}) as Record<string, unknown>
    result['properties'] = Object.fromEntries(
      Object.entries(properties).map(([key, value]) => [key, closed(value)]),
    )
    if (!('additionalProperties' in result)) result['additionalProperties'] = false
  }
  if ('items' in result) result['items'] = closed(result['items'])
  return result
}

function isObjectSchema(schema: Record<string, unknown>): boolean {
  return schema['type'] === 'object' || 'properties' in schema
}
