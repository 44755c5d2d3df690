import type { JsonObject } from '../../core/index.ts'

export const META_VERSION = 'io.modelcontextprotocol/protocolVersion'

/** What decisions are made on, and where in the parameters it stands. */
const READ: readonly (readonly [within: string | null, names: ReadonlyMap<string, string>])[] = [
  [null, spellings('name', 'arguments', 'uri', 'ref', 'argument', 'notifications', 'taskId', '_meta')],
  ['ref', spellings('type', 'name', 'uri')],
  ['argument', spellings('name', 'value')],
  ['notifications', spellings('resourceSubscriptions', 'taskIds')],
  ['_meta', spellings(META_VERSION)],
]

function spellings(...names: string[]): ReadonlyMap<string, string> {
  return new Map(names.map(name => [fold(name), name]))
}

/** Both ways, because letters from elsewhere (ſ, K) fold to those of ASCII in one of them only. */
function fold(name: string): string {
  return name.toUpperCase().toLowerCase()
}

/**
 * The name that a member of the parameters has in other letters; undefined where none does. Some programs would take the one
 * for the other.
 */
export function findMisspelt(params: JsonObject): string | undefined {
  for (const [within, names] of READ) {
    const object = within === null ? params : params[within]
    if (!isObject(object)) continue
    for (const key in object) {
      const meant = names.get(fold(key))
      if (meant !== undefined && meant !== key) return meant
    }
  }
  return undefined
}

/** What is named goes on record, for each thing that is named: no message writes more of it than a disk should take. */
const LONGEST_NAME = 8_192
const MOST_NAMED = 100

/** What a message names too much of, as a sentence; undefined where it does not. */
export function findExcess(method: string, params: JsonObject): string | undefined {
  const { ref, notifications } = params
  const named: unknown[] = [method, params['name'], params['uri'], params['taskId']]
  if (isObject(ref)) named.push(ref['name'], ref['uri'])
  for (const list of isObject(notifications)
    ? [notifications['resourceSubscriptions'], notifications['taskIds']]
    : []) {
    if (!Array.isArray(list)) continue
    if (list.length > MOST_NAMED) return `A message names at most ${MOST_NAMED} things to listen to.`
    named.push(...list)
  }
  const isTooLong = named.some(name => typeof name === 'string' && name.length > LONGEST_NAME)
  return isTooLong ? `A name has at most ${LONGEST_NAME} characters.` : undefined
}

export function isObject(value: unknown): value is JsonObject {
  return value !== null && typeof value === 'object' && !Array.isArray(value)
}
