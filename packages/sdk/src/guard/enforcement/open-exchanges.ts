import type { Caller, Refusal } from '../../engine/index.ts'

/** A call or stream that is under way. */
export interface OpenExchange {
  caller: Caller
  /** A stream that outlives one answer: it ends with its token. */
  isStream: boolean
  /** Ends it for a reason that the caller is told; null where this point stops. */
  cut(refusal: Refusal | null): void
}

/** The calls and streams that are under way, so that what is revoked can be cut. */
export interface OpenExchanges {
  add(exchange: OpenExchange): void
  remove(exchange: OpenExchange): void
  /** Cuts those for whom there is a refusal now. */
  cut(refusalFor: (exchange: OpenExchange) => Refusal | null): void
  /** Ends streams, which would never end of themselves, or all that is left, because this point stops. */
  stop(which: 'streams' | 'all'): void
  size(): number
}

export function createOpenExchanges(): OpenExchanges {
  const open = new Set<OpenExchange>()
  return {
    add: exchange => void open.add(exchange),
    remove: exchange => void open.delete(exchange),
    cut(refusalFor) {
      for (const exchange of open) {
        const refusal = refusalFor(exchange)
        if (refusal) exchange.cut(refusal)
      }
    },
    stop(which) {
      for (const exchange of open) if (which === 'all' || exchange.isStream) exchange.cut(null)
    },
    size: () => open.size,
  }
}
