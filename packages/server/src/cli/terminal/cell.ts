import type picocolors from 'picocolors'

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
  return text.replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, char => {
    const code = char.codePointAt(0) ?? 0
    return `\\u{${code.toString(16)}}`
  })
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
