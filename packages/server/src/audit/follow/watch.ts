import { createRounds } from '../rounds.ts'

const ROUND_EVERY_MS = 1000
/** How often it is looked for what other nodes have stored. */
const LOOK_EVERY_MS = 2000

/** Work on what was stored, one round at a time. */
export interface Watch {
  /** Has a round now, and resolves when it is done. */
  look(): Promise<void>
  /** Has no more; resolves when the one under way is done. */
  close(): Promise<void>
}

export interface WatchOptions {
  now(): number
  /** Told of a round that failed; the next one is the retry. */
  onFault(fault: unknown): void
}

/** Has a round soon after this node has stored something, and every now and then for what others have. */
export function createWatch(
  work: () => Promise<void>,
  /** Called back when this node has stored something. */
  listeners: Set<() => void>,
  { now, onFault }: WatchOptions,
): Watch {
  let isWanted = true
  let lookAt = 0
  const rounds = createRounds(async () => {
    if (!isWanted && now() < lookAt) return
    isWanted = false
    lookAt = now() + LOOK_EVERY_MS
    await work()
  }, onFault)
  const stored = () => {
    isWanted = true
  }
  listeners.add(stored)
  const timer = setInterval(rounds.wake, ROUND_EVERY_MS).unref()
  return {
    look() {
      isWanted = true
      return rounds.round().catch(onFault)
    },
    close() {
      clearInterval(timer)
      listeners.delete(stored)
      return rounds.apart(async () => undefined)
    },
  }
}
