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

/**
 * Looks for what JSON.parse lets pass: a member named twice (two programs may then read two different calls out of one
 * text, RFC 8259 section 4), nesting that exhausts a stack, and numbers beyond all, which are read as infinite and written again
 * as null. Expects text that JSON.parse accepts.
 */
export function findJsonFault(text: string, maxDepth: number): JsonFault {
  const objects: (Set<string> | null)[] = []
  let lastString = ''
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code === QUOTE) {
      const end = endOfString(text, i + 1)
      lastString = text.slice(i, end + 1)
      i = end
    } else if (code === COLON) {
      const keys = objects.at(-1)
      const key = lastString.includes('\\') ? (JSON.parse(lastString) as string) : lastString.slice(1, -1)
      if (keys?.has(key)) return 'duplicate_key'
      keys?.add(key)
    } else if (code === OPEN_OBJECT || code === OPEN_ARRAY) {
      if (objects.length >= maxDepth) return 'too_deep'
      objects.push(code === OPEN_OBJECT ? new Set() : null)
    } else if (code === CLOSE_OBJECT || code === CLOSE_ARRAY) objects.pop()
    else if (code >= ZERO && code <= NINE) {
      const end = endOfNumber(text, i + 1)
      if (!Number.isFinite(Number(text.slice(i, end)))) return 'too_large'
      i = end - 1
    }
  }
  return null
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
