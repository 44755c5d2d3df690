import type { Session } from './session.ts'
import { parseSpan, UsageError } from './terminal/index.ts'

/** When something is to end: `90d` is from now, a date ends with its day. */
export function expiryOf(text: string, { io, utc }: Pick<Session, 'io' | 'utc'>): string {
  const now = io.now()
  const { from, to } = parseSpan(text, { now, utc })
  const at = /^\d+ ?[a-z]+$/.test(text.trim()) ? now + (now - from) : to
  if (at <= now) throw new UsageError(`"${text}" is over already.`, 'It has to end in the future.')
  return new Date(at).toISOString()
}
