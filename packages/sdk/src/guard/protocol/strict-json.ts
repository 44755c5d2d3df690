/** What is wrong with a text as a message between programs that must agree on what it says; null where nothing is. */
export type JsonFault = 'duplicate_key' | 'too_deep' | 'too_large' | null

const QUOTE = 0x22
const BACKSLASH = 0x5c
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d
const OPEN_ARRAY = 0x5b
const CLOSE_ARRAY = 0x5d
const COLON = 0x3a
const ZERO = 0x30
const NINE = 0x39
const FEW = 12

/**
 * Looks for what JSON.parse lets pass: a member named twice (two programs may then read two different calls out of one
 * text, RFC 8259 section 4), nesting that exhausts a stack, and numbers beyond all, which are read as infinite and written again
 * as null. Expects text that JSON.parse accepts.
 */
export function findJsonFault(text: string, maxDepth: number): JsonFault {
  const objects: (Keys | null)[] = []
  let [start, end] = [0, 0]
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code === QUOTE) {
      start = i + 1
      end = endOfString(text, start)
      i = end
    } else if (code === COLON) {
      if (!objects.at(-1)?.add(keyAt(text, start, end))) return 'duplicate_key'
    } else if (code === OPEN_OBJECT || code === OPEN_ARRAY) {
      if (objects.length >= maxDepth) return 'too_deep'
      objects.push(code === OPEN_OBJECT ? new Keys() : null)
    } else if (code === CLOSE_OBJECT || code === CLOSE_ARRAY) objects.pop()
    else if (code >= ZERO && code <= NINE) {
      const after = endOfNumber(text, i + 1)
      if (!Number.isFinite(Number(text.slice(i, after)))) return 'too_large'
      i = after - 1
    }
  }
  return null
}

/** The names of one object. A few are told apart faster than they are hashed. */
class Keys {
  readonly #few: string[] = []
  #many: Set<string> | undefined

  /** False where it is there already. */
  add(key: string): boolean {
    if (this.#many ? this.#many.has(key) : this.#few.includes(key)) return false
    if (this.#many) this.#many.add(key)
    else if (this.#few.push(key) === FEW) this.#many = new Set(this.#few)
    return true
  }
}

/** The name between two quotes, as programs read it. */
function keyAt(text: string, start: number, end: number): string {
  const key = text.slice(start, end)
  return key.includes('\\') ? (JSON.parse(`"${key}"`) as string) : key
}

function endOfNumber(text: string, from: number): number {
  let end = from
  while (IN_NUMBER.has(text.charCodeAt(end))) end++
  return end
}

const IN_NUMBER: ReadonlySet<number> = new Set([...'0123456789.eE+-'].map(char => char.charCodeAt(0)))

/** Where a string that begins before `from` has its closing quote: the first with an even number of backslashes before it. */
function endOfString(text: string, from: number): number {
  for (let end = text.indexOf('"', from); end !== -1; end = text.indexOf('"', end + 1)) {
    let slash = end - 1
    while (slash >= from && text.charCodeAt(slash) === BACKSLASH) slash--
    if ((end - slash) % 2 === 1) return end
  }
  return text.length
}
