import type { Json, JsonObject } from '../core/index.ts'

/**
 * Compiles a resource template such as `customer/{args.customer}/invoice/{args.id}` into a function from arguments to
 * the resource's path. A value becomes one segment: `/` and `%` in it are escaped, so that no argument can name a
 * resource elsewhere. Undefined where an argument is missing or not a plain value.
 */
export function compileTemplate(template: string | null): (args: JsonObject) => string | null | undefined {
  if (template === null) return () => null
  const [head = '', ...rest] = template.split(/\{args\.([^{}]+)\}/)
  const steps: { keys: string[]; text: string }[] = []
  for (let i = 0; i < rest.length; i += 2)
    steps.push({ keys: (rest[i] ?? '').split('.'), text: rest[i + 1] ?? '' })
  return args => {
    let path = head
    for (const { keys, text } of steps) {
      const value = valueAt(args, keys)
      if (value === undefined) return undefined
      path += value + text
    }
    return path
  }
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must not get through
const UNSAFE = /[%/\u0000-\u001f\u007f]/

function valueAt(args: JsonObject, keys: readonly string[]): string | undefined {
  let value: Json | undefined = args
  for (const key of keys) {
    if (value === null || typeof value !== 'object' || Array.isArray(value) || !Object.hasOwn(value, key))
      return undefined
    value = value[key]
  }
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  if (typeof value !== 'string' || value === '') return undefined
  return UNSAFE.test(value) ? value.replaceAll(new RegExp(UNSAFE, 'g'), encodeURIComponent) : value
}
