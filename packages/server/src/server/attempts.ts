import { AppError } from '@valetkey/sdk/core'

/** Counts wrong tries by where they come from; an address over the limit waits, all others do not. */
export interface Attempts {
  /** Throws `request.too_many` while the address is over the limit. */
  refuseIfMany(address: string): void
  failed(address: string): void
}

const WINDOW_MS = 60_000
const LIMIT = 10
const MOST_ADDRESSES = 10_000

export function createAttempts(now: () => number): Attempts {
  let began = now()
  const wrong = new Map<string, number>()
  function forget(): void {
    if (now() - began < WINDOW_MS && wrong.size < MOST_ADDRESSES) return
    wrong.clear()
    began = now()
  }
  return {
    refuseIfMany(address) {
      forget()
      if ((wrong.get(address) ?? 0) >= LIMIT)
        throw new AppError('request.too_many', 'Too many wrong codes from this address. Wait a minute.')
    },
    failed(address) {
      wrong.set(address, (wrong.get(address) ?? 0) + 1)
    },
  }
}
