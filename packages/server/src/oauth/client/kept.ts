/** How long something is kept of which nothing is said, and the bounds for what is said. */
const KEPT_SECONDS = { usual: 300, least: 60, most: 24 * 3600 }
const MOST_KEPT = 1_000

/** What was fetched, or why it was not. */
export type Made<T> =
  | { ok: true; value: T; maxAgeSeconds: number | undefined }
  | { ok: false; reason: string }

/** Keeps what could be made for as long as it is good; what could not is tried again by the next who asks. */
export function createKept<T>(now: () => number) {
  const kept = new Map<string, { made: Promise<Made<T>>; until: number }>()
  return {
    /** Lets go of what is kept, so that the next who asks has it fetched. */
    forget: (key: string) => void kept.delete(key),
    async get(key: string, make: () => Promise<Made<T>>): Promise<Made<T>> {
      const known = kept.get(key)
      if (known && known.until > now()) return known.made
      const entry = { made: make(), until: Number.POSITIVE_INFINITY }
      kept.delete(key)
      if (kept.size >= MOST_KEPT) kept.delete(kept.keys().next().value ?? '')
      kept.set(key, entry)
      const made = await entry.made
      const { usual, least, most } = KEPT_SECONDS
      const seconds = made.ok ? Math.min(most, Math.max(least, made.maxAgeSeconds ?? usual)) : 0
      entry.until = now() + seconds * 1000
      return made
    },
  }
}
