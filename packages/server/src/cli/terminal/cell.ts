import type picocolors from 'picocolors'
import { Document, Scalar, type ToStringOptions, visit } from 'yaml'

export type Colors = ReturnType<typeof picocolors.createColors>

/** What a column shows: plain, or something that is written in its own way. */
export type Cell =
  | string
  | number
  | null
  | { time: string | null }
  | { verdict: 'permit' | 'deny' | 'needs_approval' | 'would_deny' }
  | { sign: '+' | '~' | '-' }

export interface Look {
  colors: Colors
  now: number
  utc: boolean
  /** Times as "2 min ago" rather than RFC 3339. */
  relative: boolean
}

/** A cell as text, and the colour that goes around it once it is padded. */
export function toText(cell: Cell, look: Look): { text: string; paint: (text: string) => string } {
  const { colors } = look
  if (cell === null || cell === '') return { text: '-', paint: String }
  if (typeof cell !== 'object') return { text: printable(String(cell)), paint: String }
  if ('time' in cell) return { text: cell.time === null ? '-' : timeText(cell.time, look), paint: String }
  if ('sign' in cell)
    return { text: cell.sign, paint: { '+': colors.green, '~': colors.yellow, '-': colors.red }[cell.sign] }
  switch (cell.verdict) {
    case 'permit':
      return { text: 'permit', paint: colors.green }
    case 'deny':
      return { text: 'DENY', paint: colors.red }
    case 'would_deny':
      return { text: 'would deny', paint: colors.yellow }
    case 'needs_approval':
      return { text: 'needs approval', paint: colors.yellow }
  }
}

/** Text from elsewhere cannot move the cursor, break a row or turn the reading direction. */
export function printable(text: string): string {
  return text.replaceAll(UNPRINTABLE, char => `\\u{${codeOf(char)}}`)
}

/** The same for what is put together already: our own colours stay, and the ends of lines. */
export function printableLines(text: string): string {
  return text
    .split(OURS)
    .map((part, at) => (at % 2 === 0 ? printable(part) : part))
    .join('')
}

/** JSON of one value, which says the same where it is read, and nothing to a terminal that shows it. */
export function toJson(value: unknown, indent?: number): string {
  return JSON.stringify(value, null, indent).replaceAll(UNPRINTABLE, char => {
    const units = char.split('').map(unit => `\\u${codeOf(unit).padStart(4, '0')}`)
    return char === '\n' ? char : units.join('')
  })
}

/** The same in YAML. Remarks in it are for who writes them to make printable. */
export function toYaml(value: unknown, options: ToStringOptions = {}): string {
  const document = value instanceof Document ? value : new Document(value)
  visit(document, {
    Scalar(_, node) {
      if (typeof node.value === 'string' && node.value.search(UNPRINTABLE) >= 0)
        node.type = Scalar.QUOTE_DOUBLE
    },
  })
  return document
    .toString(options)
    .replaceAll(UNPRINTABLE, char => (char === '\n' ? char : `\\U${codeOf(char).padStart(8, '0')}`))
}

const UNPRINTABLE = /[\p{Cc}\p{Cf}\u2028\u2029]/gu
/** Picocolors' green, red and yellow, and the end of each. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: it is how a colour begins
const OURS = /(\u001b\[3[1239]m|\n)/

function codeOf(char: string): string {
  return (char.codePointAt(0) ?? 0).toString(16)
}

function timeText(time: string, { now, relative, utc }: Look): string {
  const at = Date.parse(time)
  if (Number.isNaN(at)) return printable(time)
  return relative ? relativeTime(at - now) : absoluteTime(at, utc)
}

function absoluteTime(at: number, utc: boolean): string {
  if (utc) return new Date(at).toISOString()
  const date = new Date(at)
  const minutes = -date.getTimezoneOffset()
  const local = new Date(at + minutes * 60_000).toISOString().slice(0, -1)
  const two = (value: number) => String(Math.floor(value)).padStart(2, '0')
  const offset = Math.abs(minutes)
  return minutes === 0
    ? `${local}Z`
    : `${local}${minutes < 0 ? '-' : '+'}${two(offset / 60)}:${two(offset % 60)}`
}

const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1000],
] as const

function relativeTime(difference: number): string {
  const size = Math.abs(difference)
  for (const [unit, ms] of UNITS) {
    if (size < ms) continue
    const count = `${Math.floor(size / ms)} ${unit}`
    return difference < 0 ? `${count} ago` : `in ${count}`
  }
  return 'now'
}
