import type { Clock, Risk } from '../../core/index.ts'

/** The right to decide: until when, by which clocks. */
export type Lease = ReturnType<typeof createLease>

interface Mark {
  wall: number
  monotonic: number
}

/**
 * Counts from when the request was sent, on both clocks, and ends with the first of them: a suspended machine stops
 * the monotonic clock, an adjusted one moves the wall clock, and neither may stretch the lease.
 */
export function createLease(clock: Clock) {
  let granted: (Mark & { leaseMs: number; dangerousLeaseMs: number }) | undefined
  const ageMs = () => {
    if (!granted) return Number.POSITIVE_INFINITY
    const wall = clock.now() - granted.wall
    return Math.max(clock.monotonic() - granted.monotonic, wall < 0 ? Number.POSITIVE_INFINITY : wall)
  }
  return {
    mark: (): Mark => ({ wall: clock.now(), monotonic: clock.monotonic() }),
    grant(asked: Mark, terms: { leaseMs: number; dangerousLeaseMs: number }) {
      granted = { ...asked, ...terms }
    },
    end() {
      granted = undefined
    },
    ageMs,
    holds(risk: Risk): boolean {
      return (
        granted !== undefined && ageMs() < (risk === 'dangerous' ? granted.dangerousLeaseMs : granted.leaseMs)
      )
    },
  }
}
