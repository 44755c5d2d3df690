import type { UpstreamCredential } from '@valetkey/sdk/core'

/** The credential that this gateway adds towards the server behind it. No caller ever sees it. */
export interface HeldCredential {
  /** What to add; null where nothing is to be added; undefined while that is not known. */
  current(): UpstreamCredential | null | undefined
  /** The same, after waiting a moment for what is being fetched. */
  wait(): Promise<UpstreamCredential | null | undefined>
  /** Forgets it, because it may have changed, and fetches it anew. */
  renew(): void
  close(): void
}

const PATIENCE_MS = 2_000
const RETRY_MS = [100, 500, 2_000] as const

/** Holds the upstream credential and fetches it until it is there. */
export function holdCredential(options: {
  fetch(): Promise<UpstreamCredential | null>
  onFailure(fault: unknown): void
}): HeldCredential {
  let held: UpstreamCredential | null | undefined
  let version = 0
  let isClosed = false
  let fetched = Promise.withResolvers<void>()

  async function load(mine: number): Promise<void> {
    for (let failures = 0; mine === version && !isClosed; failures++) {
      try {
        const credential = await options.fetch()
        if (mine !== version) return
        held = credential
        fetched.resolve()
        return
      } catch (fault) {
        options.onFailure(fault)
        await pause(RETRY_MS[Math.min(failures, RETRY_MS.length - 1)] ?? 2_000)
      }
    }
  }

  function renew(): void {
    held = undefined
    fetched.resolve()
    fetched = Promise.withResolvers<void>()
    void load(++version)
  }

  renew()
  return {
    current: () => held,
    async wait() {
      if (held === undefined) await Promise.race([fetched.promise, pause(PATIENCE_MS)])
      return held
    },
    renew,
    close() {
      isClosed = true
      held = undefined
    },
  }
}

function pause(ms: number): Promise<void> {
  return new Promise(resolve => {
    setTimeout(resolve, ms).unref()
  })
}
