import { ownZone, readSpan, type Span, TIMES } from '@valetkey/sdk/contract'
import { UsageError } from './failure.ts'

interface Frame {
  now: number
  utc: boolean
}

/** The time zone whose days are meant: that of this place, or UTC. */
export function zoneOf({ utc }: { utc: boolean }): string {
  return utc ? 'UTC' : ownZone()
}

/** Reads a time as people say it, or says how times are written. */
export function parseSpan(text: string, { now, utc }: Frame): Span {
  const span = readSpan(text, { now, zone: zoneOf({ utc }) })
  if (span) return span
  throw new UsageError(`"${text}" is not a time.`, `Times are ${TIMES}.`)
}

/** Where a span begins (`--since`) or ends (`--until`). */
export function parseMoment(text: string, edge: 'from' | 'to', frame: Frame): string {
  return new Date(parseSpan(text, frame)[edge]).toISOString()
}
