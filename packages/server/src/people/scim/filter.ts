import { type Compare, parse, type Filter as Tree } from 'scim2-parse-filter'
import { type Attribute, findAttribute, placeOf, type Schema } from './attributes.ts'
import { ScimError } from './error.ts'
import type { Part, Value } from './value.ts'

export type { Filter as Tree } from 'scim2-parse-filter'

const MOST_CHARACTERS = 1_024
const DEEPEST = 20

type Test = (part: Part) => boolean

/** What a filter asks of resources (RFC 7644 section 3.4.2.2), its names held to the schema. */
export interface Filter {
  test: Test
  /** The attributes that it looks at. */
  names: ReadonlySet<string>
  /** The texts that some attributes must equal in whatever it finds: by these a database can look it up. */
  equal: ReadonlyMap<string, string>
}

export function readFilter(schema: Schema, text: string): Filter {
  const tree = parseFilter(text)
  const names = new Set<string>()
  const find: Find = path => {
    const found = resolve(schema, path)
    if (found) names.add(found.attribute.name)
    return found
  }
  return { test: compile(tree, find), names, equal: equalities(tree, find) }
}

/** Reads a filter on the values of one attribute, as a path carries it: `type eq "work"`. */
export function readValueFilter(attribute: Attribute, text: string): { test: Test; tree: Tree } {
  const tree = parseFilter(text)
  return { test: compile(tree, within(attribute)), tree }
}

function parseFilter(text: string): Tree {
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

interface Found {
  extension?: string | undefined
  attribute: Attribute
  part?: Attribute | undefined
}

type Find = (path: string) => Found | undefined

function resolve(schema: Schema, path: string): Found | undefined {
  const { extension, attributes, rest } = placeOf(schema, path)
  const [name = '', sub, ...more] = rest.split('.')
  const attribute = findAttribute(attributes, name)
  if (!attribute || more.length > 0) return undefined
  const part = sub === undefined ? undefined : findAttribute(attribute.parts ?? [], sub)
  return sub !== undefined && !part ? undefined : { extension, attribute, part }
}

function within({ parts = [] }: Attribute): Find {
  return path => {
    const attribute = findAttribute(parts, path)
    return attribute && { attribute }
  }
}

/** Made once and asked often: a group may have thousands of members. */
function compile(tree: Tree, find: Find): Test {
  switch (tree.op) {
    case 'and': {
      const tests = tree.filters.map(one => compile(one, find))
      return part => tests.every(test => test(part))
    }
    case 'or': {
      const tests = tree.filters.map(one => compile(one, find))
      return part => tests.some(test => test(part))
    }
    case 'not': {
      const test = compile(tree.filter, find)
      return part => !test(part)
    }
  }
  const found = find(tree.attrPath)
  if (!found)
    throw new ScimError(400, 'This filter names an attribute that is not kept here.', 'invalidFilter')
  if (tree.op === '[]') {
    const test = compile(tree.valFilter, within(found.attribute))
    return part => valuesAt(part, found).some(one => isPart(one) && test(one))
  }
  const test = compareAny(tree, found)
  return part => test(valuesAt(part, found))
}

function valuesAt(part: Part, { extension, attribute }: Found): readonly Value[] {
  const holder = extension === undefined ? part : part[extension]
  const value = isPart(holder) ? holder[attribute.name] : undefined
  return value === undefined ? [] : Array.isArray(value) ? value : [value]
}

type Comparison = Exclude<Tree, { op: 'and' | 'or' | 'not' | '[]' }>

function compareAny(tree: Comparison, { attribute, part }: Found): (values: readonly Value[]) => boolean {
  // Of an attribute with parts, `value` is meant where none is named (RFC 7644 section 3.4.2.2).
  const meant =
    part ?? (attribute.type === 'complex' ? findAttribute(attribute.parts ?? [], 'value') : undefined)
  const heldIn = (values: readonly Value[]): Value[] =>
    values.flatMap(one => (isPart(one) ? (meant ? (one[meant.name] ?? []) : []) : one))
  if (tree.op === 'pr') return values => heldIn(values).length > 0 || (!part && values.length > 0)
  const { op, compValue } = tree as Compare
  const isMet = compare(op === 'ne' ? 'eq' : op, compValue, meant ?? attribute)
  return values => heldIn(values).some(isMet) !== (op === 'ne')
}

function compare(
  op: Compare['op'],
  wanted: Compare['compValue'],
  { isExact }: Attribute,
): (held: Value) => boolean {
  const flag = typeof wanted === 'string' ? wanted.toLowerCase() === 'true' : wanted
  const b = typeof wanted !== 'string' ? undefined : isExact ? wanted : wanted.toLowerCase()
  return held => {
    if (typeof held === 'boolean') return op === 'eq' && held === flag
    if (typeof held !== 'string' || b === undefined) return false
    return compareTexts(op, isExact ? held : held.toLowerCase(), b)
  }
}

function compareTexts(op: Compare['op'], a: string, b: string): boolean {
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

function equalities(tree: Tree, find: Find): Map<string, string> {
  const found = new Map<string, string>()
  const note = (path: string, value: unknown): void => {
    const { extension, attribute, part } = find(path) ?? {}
    if (
      attribute &&
      extension === undefined &&
      (part?.name ?? 'value') === 'value' &&
      typeof value === 'string'
    )
      found.set(attribute.name, value)
  }
  const look = (one: Tree): void => {
    if (one.op === 'and') for (const part of one.filters) look(part)
    if (one.op === '[]' && one.valFilter.op === 'eq' && /^value$/i.test(one.valFilter.attrPath))
      note(one.attrPath, one.valFilter.compValue)
    if (one.op === 'eq') note(one.attrPath, (one as Compare).compValue)
  }
  look(tree)
  return found
}
