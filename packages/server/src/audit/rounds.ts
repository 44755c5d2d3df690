/** Work that is done again and again, one round at a time. */
export interface Rounds {
  /** Asks for a round soon; many askers share one. */
  wake(): void
  /** Resolves when a round that began after this call is done. */
  round(): Promise<void>
}

/** A failed round is reported and nothing else: the next one is the retry. */
export function createRounds(work: () => Promise<void>, onError: (error: unknown) => void): Rounds {
  let last: Promise<void> = Promise.resolve()
  let waiting = false
  function round(): Promise<void> {
    if (waiting) return last
    waiting = true
    last = last
      .catch(() => undefined)
      .then(() => {
        waiting = false
        return work()
      })
    return last
  }
  return { round, wake: () => void round().catch(onError) }
}
