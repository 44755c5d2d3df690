/** Counts by key in windows of a minute, in bounded memory of this node. */
export interface RateLimit {
  /** Counts one more, and says whether it is still within the limit. */
  takes(key: string): boolean
}

const WINDOW_MS = 60_000
const MOST_KEYS = 10_000

export function createRateLimit(now: () => number, most: number): RateLimit {
  let began = now()
  const counts = new Map<string, number>()
  return {
    takes(key) {
      if (now() - began >= WINDOW_MS || counts.size >= MOST_KEYS) {
        counts.clear()
        began = now()
      }
      const count = (counts.get(key) ?? 0) + 1
      counts.set(key, count)
      return count <= most
    },
  }
}
