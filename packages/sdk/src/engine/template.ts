import type { Json, JsonObject } from '../core/index.ts'

/** The address of a resource: an id for each type that its template names, or null for any of that type. */
export type Address = readonly (string | null)[]

/** A resource template, as `customer/{args.customer}/invoice/{args.id}`. */
export interface Template {
  /** The types that it names, from the top down. */
  types: readonly string[]
  /** `invoice/*`: not one resource, but some of its type. */
  isAny: boolean
  /** The arguments that it names, as paths: `items.*.id`. */
  arguments: readonly string[]
  /** The addresses that arguments stand for, one for each element of a list; undefined where they do not say. */
  bind(args: JsonObject): readonly Address[] | undefined
}

/** The most resources that one call can name. */
const MOST_ADDRESSES = 1_000
const ARGUMENT = /^\{args\.([A-Za-z0-9_-]+(?:\.(?:[A-Za-z0-9_-]+|\*))*)\}$/

interface Part {
  type: string
  /** Null where the arguments say it, and for any. */
  id: string | null
  /** Where in the arguments the id is; null where the part says it, or means any. */
  path: readonly string[] | null
}

/** Reads a template. A text is what is wrong with it, as a sentence. */
export function parseTemplate(text: string): Template | string {
  const segments = text.split('/')
  if (segments.length % 2 !== 0 || segments.includes(''))
    return 'A resource template is made of pairs, as "customer/{args.customer}/invoice/{args.id}".'
  const parts: Part[] = []
  for (let i = 0; i < segments.length; i += 2) {
    const part = parsePart(segments[i] ?? '', segments[i + 1] ?? '', i + 2 === segments.length)
    if (typeof part === 'string') return part
    parts.push(part)
  }
  const paths = parts.flatMap(({ path }) => (path ? [path] : []))
  return {
    types: parts.map(({ type }) => type),
    isAny: parts.at(-1)?.path === null && parts.at(-1)?.id === null,
    arguments: paths.map(path => path.join('.')),
    bind: compileBinding(parts, paths),
  }
}

function parsePart(type: string, id: string, isLast: boolean): Part | string {
  if (/[{}*]/.test(type)) return `A resource template names its types, it cannot take "${type}" for one.`
  if (id === '*')
    return isLast ? { type, id: null, path: null } : 'Only the last id of a resource template may be "*".'
  const argument = ARGUMENT.exec(id)?.[1]
  if (argument !== undefined) {
    const path = argument.split('.')
    if (path.filter(key => key === '*').length > 1) return 'A resource template may go into one list only.'
    return { type, id: null, path }
  }
  if (/[{}*]/.test(id)) return `The resource template may name arguments as {args.name}, not ${id}.`
  return { type, id: unescapeSegment(id), path: null }
}

function compileBinding(parts: readonly Part[], paths: readonly (readonly string[])[]): Template['bind'] {
  return args => {
    const one = bindOne(parts, args, undefined, 0)
    if (one) return [one]
    const [name, length] = findList(args, paths)
    if (length > MOST_ADDRESSES) return undefined
    const addresses: Address[] = []
    for (let i = 0; i < length; i++) {
      const address = bindOne(parts, args, name, i)
      if (!address) return undefined
      addresses.push(address)
    }
    return length === 0 ? undefined : addresses
  }
}

/**
 * The list that the paths go into, and its length; 0 where they go into none. Two lists would mean every pair of their
 * elements, which no call means: they count as an empty one.
 */
function findList(
  args: JsonObject,
  paths: readonly (readonly string[])[],
): readonly [name: string, length: number] {
  let found: readonly [string, number] = ['', 0]
  for (const path of paths) {
    const list = listOf(args, path)
    if (!list || list.name === found[0]) continue
    if (found[0] !== '') return ['', 0]
    found = [list.name, list.length]
  }
  return found
}

/** With every list replaced by its element at this index; undefined where an argument is no plain value. */
function bindOne(
  parts: readonly Part[],
  args: JsonObject,
  list: string | undefined,
  index: number,
): Address | undefined {
  const address: (string | null)[] = []
  for (const { id, path } of parts) {
    const named = path === null ? id : idAt(args, path, list, index)
    if (named === undefined) return undefined
    address.push(named)
  }
  return address
}

/** The list that a path goes into: before its `*`, or at its end. */
function listOf(args: JsonObject, path: readonly string[]): { name: string; length: number } | undefined {
  const star = path.indexOf('*')
  const end = star === -1 ? path.length : star
  let value: Json | undefined = args
  for (let i = 0; i < end; i++) value = memberOf(value, path[i] ?? '')
  const isList = Array.isArray(value)
  if (!isList && star === -1) return undefined
  return { name: path.slice(0, end).join('.'), length: isList ? (value as Json[]).length : 0 }
}

function idAt(
  args: JsonObject,
  path: readonly string[],
  list: string | undefined,
  index: number,
): string | undefined {
  let value: Json | undefined = args
  let name = ''
  for (const key of path) {
    if (key === '*') continue
    value = memberOf(value, key)
    if (list === undefined) continue
    name = name === '' ? key : `${name}.${key}`
    if (name === list) value = Array.isArray(value) ? value[index] : undefined
  }
  if (typeof value === 'string') return value === '' ? undefined : value
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : undefined
}

function memberOf(value: Json | undefined, key: string): Json | undefined {
  if (value === null || typeof value !== 'object' || Array.isArray(value) || !Object.hasOwn(value, key))
    return undefined
  return value[key]
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must not get through
const UNSAFE = /[%/\u0000-\u001f\u007f]/g

/** An id as one segment of a path: `/`, `%` and control characters are escaped. */
export function escapeSegment(id: string): string {
  return id.replace(UNSAFE, encodeURIComponent)
}

/** The id that a segment stands for; the segment itself where it is not escaped as `escapeSegment` does. */
export function unescapeSegment(segment: string): string {
  if (!segment.includes('%')) return segment
  try {
    return decodeURIComponent(segment)
  } catch {
    return segment
  }
}
