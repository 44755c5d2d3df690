import { type Attribute, findAttribute, type Schema } from './attributes.ts'
import { ScimError } from './error.ts'

/** A resource or a part of one, with every name spelled as the schema has it. */
export type Value = string | boolean | Part | Part[]
export type Part = { [name: string]: Value }

const MOST_CHARACTERS = 1_024
const MOST_VALUES = 20_000

/** Reads what a directory sends as a resource: what the schema does not have is left out, the rest must fit. */
export function readResource(schema: Schema, body: unknown): Part {
  if (!isObject(body)) throw new ScimError(400, 'A resource is a JSON object.', 'invalidSyntax')
  const resource = readPart(schema.attributes, body, '')
  for (const [urn, attributes] of schema.extensions) {
    const [, sent] = Object.entries(body).find(([key]) => key.toLowerCase() === urn.toLowerCase()) ?? []
    if (isObject(sent)) resource[urn] = readPart(attributes, sent, `${urn}:`)
  }
  return resource
}

function readPart(attributes: readonly Attribute[], sent: Record<string, unknown>, path: string): Part {
  const part: Part = {}
  for (const [key, value] of Object.entries(sent)) {
    const attribute = findAttribute(attributes, key)
    if (!attribute || attribute.isReadOnly) continue
    const read = readValue(attribute, value, path + attribute.name)
    if (read !== undefined) part[attribute.name] = read
  }
  return part
}

/** Reads the value of an attribute; undefined where it is none. What well-known directories send is taken as meant. */
export function readValue(attribute: Attribute, value: unknown, path: string): Value | undefined {
  if (value === null || value === undefined) return undefined
  if (!attribute.isMany) return readOne(attribute, value, path)
  const values = (Array.isArray(value) ? (value as unknown[]) : [value]).map(
    one => readOne(attribute, one, path) as Part,
  )
  if (values.length > MOST_VALUES)
    throw new ScimError(400, `${path}: ${MOST_VALUES} values at most.`, 'invalidValue')
  return values.length === 0 ? undefined : values
}

function readOne(attribute: Attribute, value: unknown, path: string): Value {
  if (attribute.type === 'complex') {
    // A text alone is the value itself: so Entra sends managers, and others send members.
    if (typeof value === 'string') return { value: readText(value, path) }
    if (!isObject(value)) throw new ScimError(400, `${path}: this is an object.`, 'invalidValue')
    return readPart(attribute.parts ?? [], value, `${path}.`)
  }
  if (attribute.type === 'boolean') {
    // Entra sends "True" and "False".
    const flag = typeof value === 'string' ? value.toLowerCase() : value
    if (flag === true || flag === 'true') return true
    if (flag === false || flag === 'false') return false
    throw new ScimError(400, `${path}: this is true or false.`, 'invalidValue')
  }
  return readText(value, path)
}

function readText(value: unknown, path: string): string {
  if (typeof value !== 'string') throw new ScimError(400, `${path}: this is a text.`, 'invalidValue')
  if (value.length > MOST_CHARACTERS)
    throw new ScimError(400, `${path}: ${MOST_CHARACTERS} characters at most.`, 'invalidValue')
  return value
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The values of an attribute that may have several. */
export function manyOf(part: Part, name: string): Part[] {
  const value = part[name]
  return Array.isArray(value) ? value : []
}

export function textOf(part: Part, name: string): string | undefined {
  const value = part[name]
  return typeof value === 'string' ? value : undefined
}
