import { UsageError } from './failure.ts'

/** From a moment (included) to another (excluded), in milliseconds since 1970. */
export interface Span {
  from: number
  to: number
}

interface Frame {
  now: number
  utc: boolean
}

const DAYS = ['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday']
const UNIT_MS: Record<string, number> = {
  s: 1000,
  m: 60_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
}

/**
 * Reads a time as people say it. A day (`today`, `tuesday`, `2026-11-17`) is a span of a whole day; a weekday is the
 * last one before today; `14:00`, `2h` (ago) and RFC 3339 are moments: spans without length.
 */
export function parseSpan(text: string, frame: Frame): Span {
  const word = text
    .trim()
    .toLowerCase()
    .replace(/^last /, '')
  const today = startOfDay(frame.now, frame.utc)
  if (word === 'now') return moment(frame.now)
  if (word === 'today') return day(today, frame.utc)
  if (word === 'yesterday') return day(addDays(today, -1, frame.utc), frame.utc)
  const weekday = weekdayOf(word)
  if (weekday !== -1) {
    const back = (weekdayAt(frame.now, frame.utc) - weekday + 6) % 7
    return day(addDays(today, -(back + 1), frame.utc), frame.utc)
  }
  const ago = /^(\d{1,6}) ?(s|m|min|h|d|w)( ago)?$/.exec(word)
  if (ago) return moment(frame.now - Number(ago[1]) * (UNIT_MS[ago[2] ?? ''] ?? 0))
  const clock = /^([01]?\d|2[0-3]):([0-5]\d)$/.exec(word)
  if (clock) return moment(lastClock(today, Number(clock[1]), Number(clock[2]), frame))
  const date = /^(\d{4})-(\d\d)-(\d\d)$/.exec(word)
  if (date) return day(dayOf(text, Number(date[1]), Number(date[2]), Number(date[3]), frame.utc), frame.utc)
  if (/^\d{4}-\d\d-\d\dt\d\d:\d\d/.test(word)) {
    const local = /(z|[+-]\d\d:\d\d)$/.test(word) ? word : word + (frame.utc ? 'z' : '')
    const at = Date.parse(local.toUpperCase())
    if (!Number.isNaN(at)) return moment(at)
  }
  throw unreadable(text)
}

/** Where a span begins (`--since`) or ends (`--until`). */
export function parseMoment(text: string, edge: 'from' | 'to', frame: Frame): string {
  return new Date(parseSpan(text, frame)[edge]).toISOString()
}

function unreadable(text: string): UsageError {
  return new UsageError(
    `"${text}" is not a time.`,
    'Times are today, yesterday, tuesday, 14:00, 2h, 7d, 2026-11-17 or 2026-11-17T09:30:00Z.',
  )
}

const moment = (at: number): Span => ({ from: at, to: at })

function day(start: number, utc: boolean): Span {
  return { from: start, to: addDays(start, 1, utc) }
}

function weekdayOf(word: string): number {
  return word.length < 3 ? -1 : DAYS.findIndex(name => name === word || name.slice(0, 3) === word)
}

function weekdayAt(at: number, utc: boolean): number {
  const date = new Date(at)
  return utc ? date.getUTCDay() : date.getDay()
}

function startOfDay(at: number, utc: boolean): number {
  const date = new Date(at)
  return utc ? date.setUTCHours(0, 0, 0, 0) : date.setHours(0, 0, 0, 0)
}

/** By the calendar, so that days of 23 and 25 hours are days too. */
function addDays(at: number, days: number, utc: boolean): number {
  const date = new Date(at)
  return utc ? date.setUTCDate(date.getUTCDate() + days) : date.setDate(date.getDate() + days)
}

/** The last time that the clock showed this. */
function lastClock(today: number, hours: number, minutes: number, { now, utc }: Frame): number {
  const on = (start: number) => {
    const date = new Date(start)
    return utc ? date.setUTCHours(hours, minutes) : date.setHours(hours, minutes)
  }
  const at = on(today)
  return at <= now ? at : on(addDays(today, -1, utc))
}

function dayOf(text: string, year: number, month: number, date: number, utc: boolean): number {
  const start = utc ? new Date(Date.UTC(year, month - 1, date)) : new Date(year, month - 1, date)
  const shown = utc ? [start.getUTCMonth(), start.getUTCDate()] : [start.getMonth(), start.getDate()]
  if (shown[0] !== month - 1 || shown[1] !== date) throw unreadable(text)
  return start.getTime()
}
