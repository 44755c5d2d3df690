import type { ServerOffer } from '@valetkey/sdk/guard'

/** Knows what the server behind offers: a tool whose definition is not known is refused. */
export interface OfferWatch {
  /** False until the lists could be read once. */
  isKnown(): boolean
  /** Why they could not be read the last time. */
  fault(): unknown
  /** Resolves once the lists were read, or could not be. */
  settled(): Promise<void>
  /** Reads again, because the server said that something changed. */
  refresh(): void
  close(): void
}

const EVERY_MS = 30_000
/** A server that is down is not asked by every call anew. */
const REST_AFTER_FAILURE_MS = 1_000

export function watchOffer(options: {
  read(): Promise<ServerOffer>
  onOffer(offer: ServerOffer): void
  onFailure(fault: unknown): void
}): OfferWatch {
  let isKnown = false
  let fault: unknown
  let failedAt = Number.NEGATIVE_INFINITY
  let reading: Promise<void> | undefined
  let isStale = false

  async function read(): Promise<void> {
    try {
      const offer = await options.read()
      isKnown = true
      fault = undefined
      options.onOffer(offer)
    } catch (failure) {
      if (fault === undefined) options.onFailure(failure)
      fault = failure
      failedAt = performance.now()
    }
  }

  /** One reading at a time; what changed meanwhile is read after it. */
  function start(): Promise<void> {
    reading ??= read().finally(() => {
      reading = undefined
      if (isStale) {
        isStale = false
        void start()
      }
    })
    return reading
  }

  void start()
  const timer = setInterval(() => void start(), EVERY_MS)
  timer.unref()
  return {
    isKnown: () => isKnown,
    fault: () => fault,
    async settled() {
      if (!isKnown && (reading !== undefined || performance.now() - failedAt > REST_AFTER_FAILURE_MS))
        await start()
    },
    refresh() {
      if (reading === undefined) void start()
      else isStale = true
    },
    close: () => clearInterval(timer),
  }
}
