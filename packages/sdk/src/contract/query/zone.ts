/** Time zones by their names in the IANA database, as `Europe/Berlin`; a wall time is what a clock there shows, as if it were UTC. */

const DAY_MS = 24 * 3_600_000
const formatters = new Map<string, Intl.DateTimeFormat>()

export function isZone(name: string): boolean {
  try {
    formatterOf(name)
    return true
  } catch {
    return false
  }
}

/** The zone of this machine. */
export function ownZone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone
}

/** How far clocks there are ahead of UTC at a moment, in milliseconds. */
export function offsetAt(zone: string, at: number): number {
  if (zone === 'UTC') return 0
  const parts: Record<string, number> = {}
  for (const { type, value } of formatterOf(zone).formatToParts(at)) parts[type] = Number(value)
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts
  const wall = Date.UTC(year, month - 1, day, hour, minute, second)
  return wall - Math.floor(at / 1000) * 1000
}

export function toWall(zone: string, at: number): number {
  return at + offsetAt(zone, at)
}

/** The first moment at which clocks there show this. Where they skip it, the moment of the skip or what comes as long after it. */
export function fromWall(zone: string, wall: number): number {
  const offsets = [offsetAt(zone, wall - DAY_MS), offsetAt(zone, wall + DAY_MS)]
  const candidates = offsets.map(offset => wall - offset).sort((a, b) => a - b)
  return candidates.find(at => toWall(zone, at) === wall) ?? candidates.at(-1) ?? wall
}

/** A moment as clocks there show it: `2026-11-17T00:00:00+01:00`. */
export function timeIn(zone: string, at: number): string {
  const offset = offsetAt(zone, at)
  const wall = new Date(at + offset).toISOString().replace(/\.000Z$|Z$/, '')
  if (offset === 0) return `${wall}Z`
  const minutes = Math.abs(Math.round(offset / 60_000))
  const two = (value: number) => String(value).padStart(2, '0')
  return `${wall}${offset < 0 ? '-' : '+'}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`
}

function formatterOf(zone: string): Intl.DateTimeFormat {
  const known = formatters.get(zone)
  if (known) return known
  const formatter = new Intl.DateTimeFormat('en-US', {
    ...{ timeZone: zone, hourCycle: 'h23', calendar: 'iso8601', numberingSystem: 'latn' },
    ...{ year: 'numeric', month: 'numeric', day: 'numeric' },
    ...{ hour: 'numeric', minute: 'numeric', second: 'numeric' },
  })
  formatters.set(zone, formatter)
  return formatter
}
