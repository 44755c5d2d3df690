/** What may stall. */
export interface Moving {
  /** When it moved last, on the clock of `performance.now`. */
  movedAt: number
  /** Where the watch keeps it; nobody else's business. */
  place: number
  /** It has not moved for too long. */
  giveUp(): void
}

/** Watches many at once with one timer: one for each would be set anew three times a call. */
export interface StallWatch {
  add(moving: Moving): void
  /** Forgets it; one that is not watched may be forgotten, too. */
  remove(moving: Moving): void
  close(): void
}

const LOOKS = 8
const MOST_APART_MS = 1_000

/** Gives up what has not moved for `timeoutMs`, at most an eighth of it or a second later. */
export function watchStalls(timeoutMs: number): StallWatch {
  const watched: Moving[] = []
  const timer = setInterval(look, Math.min(timeoutMs / LOOKS, MOST_APART_MS)).unref()

  function look(): void {
    const late = performance.now() - timeoutMs
    for (const moving of watched.filter(({ movedAt }) => movedAt <= late)) moving.giveUp()
  }

  return {
    add(moving) {
      moving.movedAt = performance.now()
      moving.place = watched.push(moving) - 1
    },
    remove(moving) {
      if (watched[moving.place] !== moving) return
      const last = watched.pop()
      if (last === undefined || last === moving) return
      watched[moving.place] = last
      last.place = moving.place
    },
    close: () => clearInterval(timer),
  }
}
