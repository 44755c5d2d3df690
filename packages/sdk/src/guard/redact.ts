import type { Json, JsonObject } from '../core/index.ts'

const SECRET_NAME =
  /pass(word|phrase|wd)?$|secret|token|api[-_]?key|authorization|cookie|credential|private[-_]?key|^pin$|^otp$|^cvv$|card[-_]?number/i
/** JSON web tokens, our own secrets, those of well-known services, header values, private keys with their body. */
const SECRET_VALUE = new RegExp(
  [
    String.raw`\beyJ[\w-]{8,}(?:\.[\w-]*)+`,
    String.raw`\bvk_[a-z]+_[\w-]{20,}`,
    String.raw`\b(?:[spr]k|gh[pousr]|github_pat|glpat|xox[abeprs])[-_][\w-]{16,}`,
    String.raw`\bBearer\s+[\w.~+/-]{16,}`,
    '-----BEGIN [A-Z ]*PRIVATE KEY-----[^]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)',
  ].join('|'),
  'g',
)
const LONGEST_TEXT = 512
/** How far behind the cut is looked for the rest of a secret that begins before it. */
const LONGEST_SECRET = 8_192
const MOST_MEMBERS = 64
const DEEPEST = 6

/**
 * What of a call's arguments is recorded: enough to say what was done, never a secret. Members whose name or schema
 * (`writeOnly`, `format: password`) says secret and values that look like one become `[redacted]`; long text, long
 * lists and deep nesting are cut, and the cut says how much is gone.
 */
export function redactArguments(args: JsonObject, inputSchema: JsonObject | null): Json {
  const properties = inputSchema?.['properties']
  return redactObject(args, isObject(properties) ? properties : {}, 0)
}

function redactObject(value: JsonObject, schemas: JsonObject, depth: number): Json {
  if (depth >= DEEPEST) return '[nested deeper]'
  const result: JsonObject = {}
  let count = 0
  for (const key in value) {
    if (count++ === MOST_MEMBERS) {
      result['…'] = `[${Object.keys(value).length - MOST_MEMBERS} more]`
      break
    }
    const schema = schemas[key]
    const isSecret =
      SECRET_NAME.test(key) ||
      (isObject(schema) && (schema['writeOnly'] === true || schema['format'] === 'password'))
    const shown = isSecret ? '[redacted]' : redactValue(value[key] ?? null, schema, depth)
    if (key === '__proto__') putOwn(result, key, shown)
    else result[key.length > LONGEST_TEXT ? cutName(key, count) : key] = shown
  }
  return result
}

/** Set as any other, this one would not be a member of the record at all. */
function putOwn(object: JsonObject, key: string, value: Json): void {
  Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true })
}

function redactValue(value: Json, schema: Json | undefined, depth: number): Json {
  if (typeof value === 'string') return redactText(value)
  if (value === null || typeof value !== 'object') return value
  const inner = isObject(schema) ? schema : {}
  if (!Array.isArray(value))
    return redactObject(value, isObject(inner['properties']) ? inner['properties'] : {}, depth + 1)
  if (depth >= DEEPEST) return '[nested deeper]'
  const items = value.slice(0, MOST_MEMBERS).map(item => redactValue(item, inner['items'], depth + 1))
  return value.length > MOST_MEMBERS ? [...items, `[${value.length - MOST_MEMBERS} more]`] : items
}

function redactText(text: string): string {
  const near = text.slice(0, LONGEST_TEXT + LONGEST_SECRET)
  const clean = near.length < 16 ? near : near.replaceAll(SECRET_VALUE, '[redacted]')
  if (text.length <= LONGEST_TEXT) return clean
  return `${clean.slice(0, LONGEST_TEXT)}[${text.length - LONGEST_TEXT} more characters]`
}

/** Two that begin alike stay two. */
function cutName(name: string, number: number): string {
  return `${redactText(name)}[member ${number}]`
}

function isObject(value: Json | undefined): value is JsonObject {
  return value !== null && typeof value === 'object' && !Array.isArray(value)
}
