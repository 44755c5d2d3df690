import type { Caller } from '../../engine/index.ts'

/** A call or stream that is under way. */
export interface OpenExchange {
  caller: Caller
  /** A stream that outlives one answer: it ends with its token. */
  isStream: boolean
  abort(reason: string): void
}

/** The calls and streams that are under way, so that what is revoked can be cut. */
export interface OpenExchanges {
  add(exchange: OpenExchange): void
  remove(exchange: OpenExchange): void
  /** Cuts those for whom `reason` gives one. */
  cut(reason: (exchange: OpenExchange) => string | null): void
  size(): number
}

export function createOpenExchanges(): OpenExchanges {
  const open = new Set<OpenExchange>()
  return {
    add: exchange => void open.add(exchange),
    remove: exchange => void open.delete(exchange),
    cut(reasonFor) {
      for (const exchange of open) {
        const reason = reasonFor(exchange)
        if (reason === null) continue
        open.delete(exchange)
        exchange.abort(reason)
      }
    },
    size: () => open.size,
  }
}
