import type { Json, JsonObject } from '../core/index.ts'

/**
 * Compiles a resource template such as `customer/{args.customer}/invoice/{args.id}` into a function from arguments to
 * the resource's path. A value becomes one segment: `/` and `%` in it are escaped, so that no argument can name a
 * resource elsewhere. Undefined where an argument is missing or not a plain value.
 */
export function compileTemplate(template: string | null): (args: JsonObject) => string | null | undefined {
  if (template === null) return () => null
  const parts = template.split(/\{args\.([^{}]+)\}/)
  return args => {
    let path = parts[0] ?? ''
    for (let i = 1; i < parts.length; i += 2) {
      const value = valueAt(args, parts[i] ?? '')
      if (value === undefined) return undefined
      path += value + (parts[i + 1] ?? '')
    }
    return path
  }
}

function valueAt(args: JsonObject, path: string): string | undefined {
  let value: Json | undefined = args
  for (const key of path.split('.')) {
    if (value === null || typeof value !== 'object' || Array.isArray(value) || !Object.hasOwn(value, key))
      return undefined
    value = value[key]
  }
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  if (typeof value !== 'string' || value === '') return undefined
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must not get through
  return value.replaceAll(/[%/\u0000-\u001f\u007f]/g, encodeURIComponent)
}
