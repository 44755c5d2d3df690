import { AppError } from '@valetkey/sdk/core'
import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, type Pair, parseAllDocuments } from 'yaml'
import { type Fault, findFaults, joinPath } from './fault.ts'

/** One policy file as it was read. */
export interface PolicyFile {
  name: string
  text: string
}

/** Policy files as one policy, and where each part of it is written. */
export interface PolicySource {
  policy: Record<string, unknown>
  /** `file:line:column` of a path, or of the nearest thing above it that is written down. */
  locate(path: string): string
}

/** Thrown when policy files cannot be read: every fault, each with its file, line and column. */
export class PolicyError extends AppError {
  override name = 'PolicyError'
  readonly faults: readonly string[]
  constructor(faults: readonly string[]) {
    super('policy.invalid', faults.join('\n'))
    this.faults = faults
  }
}

const MAX_FILE_BYTES = 1024 * 1024
const SECTIONS = [
  'people',
  'resourceTypes',
  'permissions',
  'roles',
  'servers',
  'agents',
  'services',
  'groups',
  'resources',
]
/** Sections without names: those of several files follow each other. */
const LISTS = ['assignments', 'delegations']

/** Where a key and its value begin. */
interface Place {
  key: string
  value: string
}

/**
 * Reads policy files as one policy. They are merged section by section; what two files define is an error, so that the
 * order of files never matters.
 */
export function parsePolicy(files: readonly PolicyFile[]): PolicySource {
  const places = new Map<string, Place>()
  const policy: Record<string, unknown> = {}
  const faults: string[] = []
  for (const file of files) {
    const part = parseFile(file)
    const found = findFaults(part.policy)
    const renumber = renumbering(policy)
    if (found.length > 0) faults.push(...found.map(fault => at(part.places, fault, file.name)))
    else faults.push(...merge(policy, part.policy, places, part.places))
    for (const [path, place] of part.places)
      if (!places.has(renumber(path))) places.set(renumber(path), place)
  }
  if (faults.length > 0) throw new PolicyError(faults)
  const first = files[0]?.name ?? 'policy'
  return { policy, locate: path => placeOf(places, path.split('.'))?.value ?? `${first}:1:1` }
}

/** Adds one file's sections to the whole; says what is defined a second time. */
function merge(
  policy: Record<string, unknown>,
  part: Record<string, unknown>,
  places: Map<string, Place>,
  partPlaces: Map<string, Place>,
): string[] {
  const faults: string[] = []
  const twice = (path: string, what: string) =>
    faults.push(`${partPlaces.get(path)?.key}: ${what} is defined in ${places.get(path)?.key} already.`)
  for (const [key, value] of Object.entries(part)) {
    if (LISTS.includes(key)) {
      policy[key] = [...((policy[key] as unknown[] | undefined) ?? []), ...(value as unknown[])]
      continue
    }
    if (!SECTIONS.includes(key)) {
      if (policy[key] !== undefined && policy[key] !== value) twice(key, `Another "${key}"`)
      policy[key] ??= value
      continue
    }
    const into = { ...(policy[key] as Record<string, unknown> | undefined) }
    for (const [name, entry] of Object.entries(value as Record<string, unknown>)) {
      if (Object.hasOwn(into, name)) twice(joinPath([key, name]), `"${name}"`)
      into[name] = entry
    }
    policy[key] = into
  }
  return faults
}

/** What a place in a list of the next file becomes, once that list follows the one that there is so far. */
function renumbering(policy: Record<string, unknown>): (path: string) => string {
  const lengths = new Map(LISTS.map(key => [key, ((policy[key] as unknown[] | undefined) ?? []).length]))
  return path => {
    const [section = '', index, ...rest] = path.split('.')
    const length = lengths.get(section)
    if (length === undefined || index === undefined) return path
    return joinPath([section, String(Number(index) + length), ...rest])
  }
}

interface Part {
  policy: Record<string, unknown>
  places: Map<string, Place>
}

function parseFile({ name, text }: PolicyFile): Part {
  if (Buffer.byteLength(text) > MAX_FILE_BYTES)
    throw new PolicyError([`${name}:1:1: The file is larger than ${MAX_FILE_BYTES / 1024} KiB.`])
  const lines = new LineCounter()
  const where = (offset: number) => {
    const { line, col } = lines.linePos(offset)
    return `${name}:${line}:${col}`
  }
  try {
    const documents = parseAllDocuments(text, { lineCounter: lines, prettyErrors: false, stringKeys: true })
    if ('empty' in documents)
      throw new PolicyError([`${name}:1:1: The file is empty. Begin with "version: 1".`])
    const [document, second] = documents
    if (second)
      throw new PolicyError([`${where(second.range[0])}: One file holds one policy; "---" begins a second.`])
    const broken = [...(document?.errors ?? []), ...(document?.warnings ?? [])]
    if (!document || broken.length > 0)
      throw new PolicyError(broken.map(error => `${where(error.pos[0])}: ${wordsOf(error)}`))
    if (!isMap(document.contents))
      throw new PolicyError([`${name}:1:1: A policy is a map. Begin with "version: 1".`])
    const places = new Map<string, Place>()
    note(document.contents, [], places, where)
    return { policy: document.toJS({ maxAliasCount: 0 }) as Record<string, unknown>, places }
  } catch (cause) {
    if (cause instanceof RangeError) throw new PolicyError([`${name}:1:1: The file is nested too deeply.`])
    throw cause
  }
}

function wordsOf(error: { message: string }): string {
  return /call stack/i.test(error.message) ? 'This is nested too deeply.' : error.message
}

/** Notes where every key and value is, and refuses what the format does not have. */
function note(
  node: unknown,
  path: readonly string[],
  places: Map<string, Place>,
  where: (offset: number) => string,
): void {
  if (isAlias(node))
    refuse(node, where, 'Anchors and aliases are not part of the format; write the value out.')
  if (isSeq(node)) {
    for (const [index, item] of node.items.entries()) {
      const place = where(startOf(item) ?? startOf(node) ?? 0)
      places.set(joinPath([...path, String(index)]), { key: place, value: place })
      note(item, [...path, String(index)], places, where)
    }
    return
  }
  if (!isMap(node)) return
  for (const { key, value } of node.items as Pair<unknown, unknown>[]) {
    if (!isScalar(key) || typeof key.value !== 'string' || key.value === '__proto__')
      refuse((key ?? node) as Node, where, 'A key is a text.')
    const here = [...path, key.value]
    const start = startOf(key) ?? 0
    places.set(joinPath(here), {
      key: where(start),
      value: where((isScalar(value) ? startOf(value) : undefined) ?? start),
    })
    note(value, here, places, where)
  }
}

function refuse(node: Node, where: (offset: number) => string, message: string): never {
  throw new PolicyError([`${where(startOf(node) ?? 0)}: ${message}`])
}

function startOf(node: unknown): number | undefined {
  const range = (node as Node | null)?.range
  return range ? range[0] : undefined
}

function at(places: Map<string, Place>, fault: Fault, file: string): string {
  const place = placeOf(places, fault.path)
  const position = (fault.atKey ? place?.key : place?.value) ?? `${file}:1:1`
  return `${position}: ${fault.message} (${joinPath(fault.path) || 'policy'})`
}

/** The place of a path, or of the nearest one above it. */
function placeOf(places: Map<string, Place>, path: readonly string[]): Place | undefined {
  for (let length = path.length; length > 0; length--) {
    const place = places.get(joinPath(path.slice(0, length)))
    if (place) return place
  }
  return undefined
}
