export type Json = null | boolean | number | string | Json[] | { [key: string]: Json }
export type JsonObject = { [key: string]: Json }

/**
 * JSON with sorted keys and no spaces, so that equal values have equal text (RFC 8785: ECMAScript number and string
 * forms, keys by UTF-16 code units). Half a surrogate pair, for which RFC 8785 has no form, keeps its escape.
 */
export function canonicalJson(value: unknown): string {
  // Nearly everything that is hashed was built or parsed in order, and the engine's own writer is five times as fast.
  return isOrdered(value) ? (JSON.stringify(value) ?? 'null') : inOrder(value)
}

function isOrdered(value: unknown): boolean {
  if (value === null || typeof value !== 'object') return true
  if (Array.isArray(value)) return value.every(isOrdered)
  const record = value as Record<string, unknown>
  let last = ''
  for (const key in record) {
    if (key < last) return false
    last = key
    if (!isOrdered(record[key])) return false
  }
  return true
}

function inOrder(value: unknown): string {
  if (value === null || typeof value !== 'object') return JSON.stringify(value) ?? 'null'
  if (Array.isArray(value)) return `[${value.map(inOrder).join(',')}]`
  const record = value as Record<string, unknown>
  const members = Object.keys(record)
    .filter(key => record[key] !== undefined)
    .sort()
    .map(key => `${JSON.stringify(key)}:${inOrder(record[key])}`)
  return `{${members.join(',')}}`
}
