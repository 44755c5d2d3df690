import { setTimeout } from 'node:timers/promises'
import type { Batch, BatchLimits } from './reader.ts'
import type { Spool } from './spool.ts'

export interface ShipperOptions {
  spool: Pick<Spool, 'read' | 'readable'>
  /** Resolves once the authority has the batch for good. A batch comes again after a failure, and after a crash. */
  send: (batch: Batch, signal: AbortSignal) => Promise<void>
  limits?: BatchLimits
  /** Rest between two batches that were not full, so that a trickle of calls is not a request each. */
  restMs?: number
  /** Wait after the first failure in a row; it doubles up to `retryMostMs`. */
  retryFirstMs?: number
  retryMostMs?: number
  /** Between 0 and 1; spreads the retries of many enforcement points. */
  random?: () => number
  onFailure?: (failure: unknown, inARow: number) => void
}

/** Ships records in the background. */
export interface Shipper {
  /** Failures since the last batch that arrived; 0 while all is well. */
  failures(): number
  /** Ships what is left for at most so long, and says whether all of it went. What did not stays in the spool. */
  close(withinMs?: number): Promise<boolean>
}

/** Sends a spool's records to the authority, oldest first and at least once, until it is closed. */
export function startShipper(options: ShipperOptions): Shipper {
  const { spool, send, onFailure, random = Math.random } = options
  const { limits = { maxRecords: 500, maxBytes: 1 << 20 }, restMs = 100 } = options
  const { retryFirstMs = 1_000, retryMostMs = 30_000 } = options
  const closing = new AbortController()
  const cut = new AbortController()
  let failures = 0

  /** Ships one batch, if there is one. */
  async function ship(): Promise<Batch | undefined> {
    const batch = await spool.read(limits)
    if (!batch) return undefined
    await send(batch, cut.signal)
    if (cut.signal.aborted) throw cut.signal.reason
    await batch.done()
    failures = 0
    return batch
  }

  async function run(): Promise<boolean> {
    while (!cut.signal.aborted) {
      try {
        const batch = await ship()
        if (!batch && closing.signal.aborted) return true
        if (!batch) await until(spool.readable(), closing.signal)
        else if (batch.count < limits.maxRecords) await pause(restMs, closing.signal)
      } catch (failure) {
        onFailure?.(failure, ++failures)
        if (closing.signal.aborted) return false
        const most = Math.min(retryMostMs, retryFirstMs * 2 ** (failures - 1))
        await pause(most * (0.5 + random() / 2), closing.signal)
      }
    }
    return false
  }

  const running = run()
  return {
    failures: () => failures,
    async close(withinMs = 5_000) {
      closing.abort()
      const isEmpty = await Promise.race([running, pause(withinMs, cut.signal).then(() => false)])
      cut.abort()
      return isEmpty
    },
  }
}

/** Rests, or not any longer once the signal is given. The timer does not keep the process alive. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await setTimeout(ms, undefined, { signal, ref: false }).catch(() => {})
}

function until(event: Promise<void>, signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    const end = (): void => {
      signal.removeEventListener('abort', end)
      resolve()
    }
    if (signal.aborted) return end()
    signal.addEventListener('abort', end)
    void event.then(end)
  })
}
