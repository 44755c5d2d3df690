/** Work that is done again and again, one round at a time. */
export interface Rounds {
  /** Asks for a round soon; many askers share one. */
  wake(): void
  /** Resolves when a round that began after this call is done. */
  round(): Promise<void>
  /** Does other work while no round is under way. */
  apart<T>(work: () => Promise<T>): Promise<T>
}

/** A failed round is reported and nothing else: the next one is the retry. */
export function createRounds(work: () => Promise<void>, onError: (error: unknown) => void): Rounds {
  let last: Promise<unknown> = Promise.resolve()
  let waiting: Promise<void> | undefined
  function apart<T>(work: () => Promise<T>): Promise<T> {
    const next = last.catch(() => undefined).then(work)
    last = next
    return next
  }
  function round(): Promise<void> {
    waiting ??= apart(() => {
      waiting = undefined
      return work()
    })
    return waiting
  }
  return { round, apart, wake: () => void round().catch(onError) }
}
