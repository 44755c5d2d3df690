/** Slows down who keeps failing to authenticate, in bounded memory. */
export interface FailureLimit {
  /** Seconds to wait before this client may try again from this address; 0 when it may now. */
  waitSeconds(client: string, address: string): number
  failed(client: string, address: string): void
  succeeded(client: string, address: string): void
}

const WINDOW_MS = 60_000
/** By one client id from one address: guessing a secret or key. */
const MAX_BY_CLIENT = 10
/** By one address whatever the client id: guessing who exists. */
const MAX_BY_ADDRESS = 100
const MAX_ENTRIES = 10_000

export function createFailureLimit(now: () => number): FailureLimit {
  const failures = new Map<string, { count: number; endsAt: number }>()

  function current(key: string) {
    const entry = failures.get(key)
    if (entry && entry.endsAt > now()) return entry
    failures.delete(key)
    return undefined
  }
  function wait(key: string, max: number): number {
    const entry = current(key)
    return entry && entry.count >= max ? Math.ceil((entry.endsAt - now()) / 1000) : 0
  }
  function count(key: string): void {
    const entry = current(key)
    if (entry) {
      entry.count++
      return
    }
    if (failures.size >= MAX_ENTRIES)
      for (const oldest of failures.keys()) {
        failures.delete(oldest)
        break
      }
    failures.set(key, { count: 1, endsAt: now() + WINDOW_MS })
  }
  return {
    waitSeconds: (client, address) =>
      Math.max(wait(pair(client, address), MAX_BY_CLIENT), wait(address, MAX_BY_ADDRESS)),
    failed(client, address) {
      count(pair(client, address))
      count(address)
    },
    succeeded(client, address) {
      failures.delete(pair(client, address))
    },
  }
}

/** A separator that no address holds; client ids of any length take the same room. */
function pair(client: string, address: string): string {
  return `${address}\n${client.slice(0, 100)}`
}
