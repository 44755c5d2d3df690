import { fromWall, toWall } from './zone.ts'

/** From a moment (included) to another (excluded), in milliseconds since 1970. */
export interface Span {
  from: number
  to: number
}

/** When and where something is said. */
export interface Frame {
  now: number
  /** IANA name; days are days there. */
  zone: string
}

const DAY_MS = 24 * 3_600_000
const DAYS = ['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday']
const UNIT_MS: Record<string, number> = {
  s: 1000,
  m: 60_000,
  min: 60_000,
  h: 3_600_000,
  d: DAY_MS,
  w: 7 * DAY_MS,
}

/** How times are written, for those who wrote something else. */
export const TIMES = 'today, yesterday, tuesday, 14:00, 2h, 7d, 2026-11-17 or 2026-11-17T09:30:00Z'

/**
 * Reads a time as people say it; undefined where it is none. A day (`today`, `tuesday`, `2026-11-17`) is a span of a
 * whole day; a weekday is the last one before today; `14:00`, `2h` (ago) and RFC 3339 are moments: spans without length.
 */
export function readSpan(text: string, frame: Frame): Span | undefined {
  const { now, zone } = frame
  const word = text
    .trim()
    .toLowerCase()
    .replace(/^last /, '')
  const today = startOfDay(toWall(zone, now))
  if (word === 'now') return moment(now)
  if (word === 'today') return day(today, zone)
  if (word === 'yesterday') return day(today - DAY_MS, zone)
  const weekday = weekdayOf(word)
  if (weekday !== -1) return day(today - (((weekdayAt(today) - weekday + 6) % 7) + 1) * DAY_MS, zone)
  const ago = /^(\d{1,6}) ?(s|m|min|h|d|w)( ago)?$/.exec(word)
  if (ago) return moment(now - Number(ago[1]) * (UNIT_MS[ago[2] ?? ''] ?? 0))
  const clock = /^([01]?\d|2[0-3]):([0-5]\d)$/.exec(word)
  if (clock) return moment(lastClock(today, Number(clock[1]), Number(clock[2]), frame))
  const date = /^(\d{4})-(\d\d)-(\d\d)$/.exec(word)
  if (date) {
    const start = dayOf(Number(date[1]), Number(date[2]), Number(date[3]))
    return start === undefined ? undefined : day(start, zone)
  }
  if (/^\d{4}-\d\d-\d\dt\d\d:\d\d/.test(word)) return momentOf(word, zone)
  return undefined
}

function momentOf(word: string, zone: string): Span | undefined {
  const isWhole = /(z|[+-]\d\d:\d\d)$/.test(word)
  const at = Date.parse((isWhole ? word : `${word}z`).toUpperCase())
  if (Number.isNaN(at)) return undefined
  return moment(isWhole ? at : fromWall(zone, at))
}

const moment = (at: number): Span => ({ from: at, to: at })

/** By the calendar, so that days of 23 and 25 hours are days too. */
function day(wall: number, zone: string): Span {
  return { from: fromWall(zone, wall), to: fromWall(zone, wall + DAY_MS) }
}

function startOfDay(wall: number): number {
  return Math.floor(wall / DAY_MS) * DAY_MS
}

function weekdayOf(word: string): number {
  return word.length < 3 ? -1 : DAYS.findIndex(name => name === word || name.slice(0, 3) === word)
}

function weekdayAt(wall: number): number {
  return new Date(wall).getUTCDay()
}

/** The last time that the clock showed this. */
function lastClock(today: number, hours: number, minutes: number, { now, zone }: Frame): number {
  const on = (start: number) => fromWall(zone, start + hours * 3_600_000 + minutes * 60_000)
  const at = on(today)
  return at <= now ? at : on(today - DAY_MS)
}

function dayOf(year: number, month: number, date: number): number | undefined {
  const start = new Date(Date.UTC(year, month - 1, date))
  const isReal = start.getUTCMonth() === month - 1 && start.getUTCDate() === date
  return isReal ? start.getTime() : undefined
}
