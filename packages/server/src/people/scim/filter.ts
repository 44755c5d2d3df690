import { type Compare, type Filter, parse } from 'scim2-parse-filter'
import { type Attribute, findAttribute, placeOf, type Schema } from './attributes.ts'
import { ScimError } from './error.ts'
import type { Part, Value } from './value.ts'

export type { Filter } from 'scim2-parse-filter'

const MOST_CHARACTERS = 1_024
const DEEPEST = 20

/** Reads a filter (RFC 7644 section 3.4.2.2), and holds its names to the schema. */
export function readFilter(schema: Schema, text: string): Filter {
  const filter = parseFilter(text)
  check(filter, path => resolve(schema, path)?.attribute)
  return filter
}

/** Reads a filter on the values of one attribute, as a path carries it: `type eq "work"`. */
export function readValueFilter(attribute: Attribute, text: string): Filter {
  const filter = parseFilter(text)
  check(filter, path => findAttribute(attribute.parts ?? [], path))
  return filter
}

function parseFilter(text: string): Filter {
  if (text.length > MOST_CHARACTERS || nesting(text) > DEEPEST)
    throw new ScimError(400, 'This filter is too long, or nested too deeply.', 'invalidFilter')
  try {
    return parse(text)
  } catch (cause) {
    throw new ScimError(400, 'This filter cannot be read.', 'invalidFilter', cause)
  }
}

function nesting(text: string): number {
  return (text.match(/[([]|\bnot\b/gi) ?? []).length
}

function check(filter: Filter, find: (path: string) => Attribute | undefined): void {
  switch (filter.op) {
    case 'and':
    case 'or':
      for (const one of filter.filters) check(one, find)
      return
    case 'not':
      check(filter.filter, find)
      return
  }
  const attribute = find(filter.attrPath)
  if (!attribute)
    throw new ScimError(400, 'This filter names an attribute that is not kept here.', 'invalidFilter')
  if (filter.op === '[]') check(filter.valFilter, path => findAttribute(attribute.parts ?? [], path))
}

interface Resolved {
  extension: string | undefined
  attribute: Attribute
  part: Attribute | undefined
}

function resolve(schema: Schema, path: string): Resolved | undefined {
  const { extension, attributes, rest } = placeOf(schema, path)
  const [name = '', sub, ...more] = rest.split('.')
  const attribute = findAttribute(attributes, name)
  if (!attribute || more.length > 0) return undefined
  const part = sub === undefined ? undefined : findAttribute(attribute.parts ?? [], sub)
  return sub !== undefined && !part ? undefined : { extension, attribute, part }
}

/** Whether a resource is what a filter asks for. */
export function matches(schema: Schema, filter: Filter, resource: Part): boolean {
  switch (filter.op) {
    case 'and':
      return filter.filters.every(one => matches(schema, one, resource))
    case 'or':
      return filter.filters.some(one => matches(schema, one, resource))
    case 'not':
      return !matches(schema, filter.filter, resource)
  }
  const found = resolve(schema, filter.attrPath)
  if (!found) return false
  const holder = found.extension === undefined ? resource : resource[found.extension]
  const value = isPart(holder) ? holder[found.attribute.name] : undefined
  const values = value === undefined ? [] : Array.isArray(value) ? value : [value]
  if (filter.op === '[]')
    return values.some(one => isPart(one) && matchesValue(found.attribute, filter.valFilter, one))
  return compareAny(filter, found, values)
}

/** Whether one value of an attribute is what a filter on its parts asks for. */
export function matchesValue(attribute: Attribute, filter: Filter, value: Part): boolean {
  switch (filter.op) {
    case 'and':
      return filter.filters.every(one => matchesValue(attribute, one, value))
    case 'or':
      return filter.filters.some(one => matchesValue(attribute, one, value))
    case 'not':
      return !matchesValue(attribute, filter.filter, value)
    case '[]':
      return false
  }
  const part = findAttribute(attribute.parts ?? [], filter.attrPath)
  if (!part) return false
  const held = value[part.name]
  return compareAny(filter, { attribute: part, part: undefined }, held === undefined ? [] : [held])
}

type Comparison = Exclude<Filter, { op: 'and' | 'or' | 'not' | '[]' }>

function compareAny(
  filter: Comparison,
  { attribute, part }: Pick<Resolved, 'attribute' | 'part'>,
  values: readonly Value[],
): boolean {
  // Of an attribute with parts, `value` is meant where none is named (RFC 7644 section 3.4.2.2).
  const meant =
    part ?? (attribute.type === 'complex' ? findAttribute(attribute.parts ?? [], 'value') : undefined)
  const held = values.flatMap(one => (isPart(one) ? (meant ? (one[meant.name] ?? []) : []) : one))
  if (filter.op === 'pr') return held.length > 0 || (!part && values.length > 0)
  const { op, compValue } = filter as Compare
  if (op === 'ne') return !held.some(one => compare('eq', one, compValue, meant ?? attribute))
  return held.some(one => compare(op, one, compValue, meant ?? attribute))
}

function compare(
  op: Compare['op'],
  held: Value,
  wanted: Compare['compValue'],
  attribute: Attribute,
): boolean {
  if (typeof held === 'boolean') {
    const flag = typeof wanted === 'string' ? wanted.toLowerCase() === 'true' : wanted
    return op === 'eq' && held === flag
  }
  if (typeof held !== 'string' || typeof wanted !== 'string') return false
  const [a, b] = attribute.isExact ? [held, wanted] : [held.toLowerCase(), wanted.toLowerCase()]
  switch (op) {
    case 'eq':
      return a === b
    case 'co':
      return a.includes(b)
    case 'sw':
      return a.startsWith(b)
    case 'ew':
      return a.endsWith(b)
    case 'gt':
      return a > b
    case 'ge':
      return a >= b
    case 'lt':
      return a < b
    case 'le':
      return a <= b
    default:
      return false
  }
}

function isPart(value: Value | undefined): value is Part {
  return typeof value === 'object' && !Array.isArray(value)
}

/** The texts that some attributes must equal in whatever the filter finds: by these a database can look it up. */
export function equalities(schema: Schema, filter: Filter): Map<string, string> {
  const found = new Map<string, string>()
  const look = (one: Filter): void => {
    if (one.op === 'and') for (const part of one.filters) look(part)
    if (one.op === '[]' && one.valFilter.op === 'eq' && /^value$/i.test(one.valFilter.attrPath))
      note(one.attrPath, one.valFilter.compValue)
    if (one.op === 'eq') note(one.attrPath, (one as Compare).compValue)
  }
  const note = (path: string, value: unknown): void => {
    const resolved = resolve(schema, path)
    const isValue = resolved && (!resolved.part || resolved.part.name === 'value')
    if (isValue && resolved.extension === undefined && typeof value === 'string')
      found.set(resolved.attribute.name, value)
  }
  look(filter)
  return found
}
