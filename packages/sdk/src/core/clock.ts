/** Where the time comes from; only the composition root makes one, everything else is handed it. */
export interface Clock {
  /** Milliseconds since 1970, as the wall clock says. */
  now(): number
  /** Milliseconds on a clock that never goes back, for measuring spans. */
  monotonic(): number
}

export const systemClock: Clock = { now: () => Date.now(), monotonic: () => performance.now() }

/** A time as it is stored and sent: ISO 8601 in UTC. */
export function isoTime(ms: number): string {
  return new Date(ms).toISOString()
}
