import { AppError } from '../../core/index.ts'
import { Refusal } from '../ask.ts'

const DEFAULT_INTERVAL_SECONDS = 5
const SLOWER_SECONDS = 5

/** Asks again and again, no faster than the authority wants, until the person has answered or the time is up. */
export async function pollUntilAnswered<T>(
  attempt: () => Promise<T>,
  times: { interval?: number | undefined; expiresIn: number; signal: AbortSignal },
): Promise<T> {
  const { signal } = times
  let interval = times.interval ?? DEFAULT_INTERVAL_SECONDS
  for (const until = performance.now() + times.expiresIn * 1000; performance.now() < until; ) {
    await pause(interval * 1000, signal)
    try {
      return await attempt()
    } catch (error) {
      const isAway = error instanceof AppError && error.code === 'authority.unreachable'
      const word = error instanceof Refusal ? error.error : undefined
      if (word === 'slow_down' || isAway) interval += SLOWER_SECONDS
      else if (word !== 'authorization_pending') throw error
    }
  }
  throw new AppError('token.refused', 'Nobody answered in time: ask again.')
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason)
    const end = () => {
      clearTimeout(timer)
      reject(signal.reason)
    }
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', end)
      resolve()
    }, ms)
    signal.addEventListener('abort', end, { once: true })
  })
}
