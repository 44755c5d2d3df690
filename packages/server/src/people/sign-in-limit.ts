/** Slows down guessing, in bounded memory of this node, and tells nobody whether there is such an account. */
export interface SignInLimit {
  /** Whether this account may be tried from this address now. */
  allows(account: string, address: string): boolean
  failed(account: string, address: string): void
  succeeded(account: string, address: string): void
}

export const WINDOW_MS = 15 * 60_000
/** One account from one address: somebody who has forgotten a password. */
const MOST_HERE = 5
/** One account from wherever: a guess that is spread over many addresses. */
const MOST_OF_ACCOUNT = 30
/** One address, whatever the account: one password tried at all. */
const MOST_OF_ADDRESS = 60
const MOST_ENTRIES = 20_000

export function createSignInLimit(now: () => number): SignInLimit {
  const failures = new Map<string, { count: number; endsAt: number }>()
  const keysOf = (account: string, address: string) =>
    [
      [`both ${address}\n${account}`, MOST_HERE],
      [`account ${account}`, MOST_OF_ACCOUNT],
      [`address ${address}`, MOST_OF_ADDRESS],
    ] as const
  function current(key: string) {
    const entry = failures.get(key)
    if (entry && entry.endsAt > now()) return entry
    failures.delete(key)
    return undefined
  }
  return {
    allows: (account, address) =>
      keysOf(account, address).every(([key, most]) => (current(key)?.count ?? 0) < most),
    failed(account, address) {
      for (const [key] of keysOf(account, address)) {
        const entry = current(key)
        if (entry) entry.count++
        else {
          const [oldest] = failures.keys()
          if (failures.size >= MOST_ENTRIES && oldest !== undefined) failures.delete(oldest)
          failures.set(key, { count: 1, endsAt: now() + WINDOW_MS })
        }
      }
    },
    succeeded(account, address) {
      failures.delete(`both ${address}\n${account}`)
    },
  }
}
