/** Where the time comes from; only the composition root makes one, everything else is handed it. */
export interface Clock {
  /** Milliseconds since 1970, as the wall clock says. */
  now(): number
  /** Milliseconds on a clock that never goes back, for measuring spans. */
  monotonic(): number
}

export const systemClock: Clock = { now: () => Date.now(), monotonic: () => performance.now() }

let second = Number.NaN
let upToSecond = ''

/** A time as it is stored and sent: ISO 8601 in UTC. */
export function isoTime(ms: number): string {
  // Records are written many to a second: what they have in common is formatted once.
  const whole = Math.floor(ms / 1000)
  if (whole !== second) {
    upToSecond = new Date(whole * 1000).toISOString().slice(0, -4)
    second = whole
  }
  return `${upToSecond}${String(Math.trunc(ms - whole * 1000)).padStart(3, '0')}Z`
}
