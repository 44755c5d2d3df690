import { AppError } from '../core/index.ts'

/** The agent may not act any more, and why. All that was under way has stopped; nothing is tried again by itself. */
export class Halted extends AppError {
  override name = 'Halted'
  constructor(reason: string, cause?: unknown) {
    super('agent.halted', reason, cause === undefined ? {} : { cause })
  }
}

/** Whether one way of acting is still allowed. What it rests on is asked too: an agent that halts, halts whole. */
export interface Standing {
  /** Throws what it was told a moment ago, where that was no. */
  check(): void
  /** Aborted with the reason when it is told no. */
  signal(): AbortSignal
  /** How often it was told no: what was kept from before is not to be used any more. */
  halts(): number
  /** Halts this way of acting, or all that the agent does. */
  halt(halted: Halted, what?: 'this' | 'all'): void
}

/** So long nobody asks again after a no: a suspended agent must not hammer the authority. */
export const REFUSED_FOR_MS = 30_000

export function createStanding(now: () => number, above?: Standing): Standing {
  let told: { halted: Halted; until: number } | undefined
  let stop = new AbortController()
  let halts = 0
  return {
    check() {
      above?.check()
      if (told && now() < told.until) throw told.halted
      told = undefined
    },
    signal: () => (above ? AbortSignal.any([above.signal(), stop.signal]) : stop.signal),
    halts: () => halts + (above?.halts() ?? 0),
    halt(halted, what = 'this') {
      if (above && what === 'all') return above.halt(halted, what)
      halts++
      told = { halted, until: now() + REFUSED_FOR_MS }
      stop.abort(halted)
      stop = new AbortController()
    },
  }
}
