/** How long something is kept of which nothing is said, and the bounds for what is said. */
const KEPT_SECONDS = { usual: 300, least: 60, most: 24 * 3600 }
const MOST_KEPT = 1_000

/** What was fetched, or why it was not. */
export type Made<T> =
  | { ok: true; value: T; maxAgeSeconds: number | undefined }
  | { ok: false; reason: string }

interface Entry<T> {
  made: Promise<Made<T>>
  until: number
}

/** Keeps what could be made for as long as it is good; what could not is tried again by the next who asks. */
export function createKept<T>(now: () => number) {
  const kept = new Map<string, Entry<T>>()
  const renewals = new Map<string, Promise<Made<T>>>()

  function keep(key: string, entry: Entry<T>): void {
    kept.delete(key)
    if (kept.size >= MOST_KEPT) kept.delete(kept.keys().next().value ?? '')
    kept.set(key, entry)
  }
  async function makeAnew(key: string, make: () => Promise<Made<T>>): Promise<Made<T>> {
    const made = await make()
    if (made.ok) keep(key, { made: Promise.resolve(made), until: endOf(made, now()) })
    return made
  }
  return {
    async get(key: string, make: () => Promise<Made<T>>): Promise<Made<T>> {
      const known = kept.get(key)
      if (known && known.until > now()) return known.made
      const entry = { made: make(), until: Number.POSITIVE_INFINITY }
      keep(key, entry)
      let until = 0
      try {
        const made = await entry.made
        until = endOf(made, now())
        return made
      } finally {
        entry.until = until
      }
    },
    /** Makes it anew before its time, once for all who ask meanwhile; what is kept stays good until there is another. */
    async renew(key: string, make: () => Promise<Made<T>>): Promise<Made<T>> {
      const running = renewals.get(key) ?? makeAnew(key, make).finally(() => renewals.delete(key))
      renewals.set(key, running)
      return running
    },
  }
}

function endOf<T>(made: Made<T>, now: number): number {
  const { usual, least, most } = KEPT_SECONDS
  return made.ok ? now + Math.min(most, Math.max(least, made.maxAgeSeconds ?? usual)) * 1000 : 0
}
