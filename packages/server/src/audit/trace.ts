import { AsyncLocalStorage } from 'node:async_hooks'
import { newTrace, TRACE_PARENT } from '@valetkey/sdk/core'

const running = new AsyncLocalStorage<{ trace: string; isOpen: boolean }>()

/**
 * Answers a request such that everything recorded on the way carries its trace: the one that `traceparent` names (W3C Trace
 * Context), or a new one. What the request started and left running belongs to it no more.
 */
export async function inTrace<T>(traceparent: string | null | undefined, work: () => T): Promise<Awaited<T>> {
  const trace = TRACE_PARENT.test(traceparent ?? '') ? String(traceparent) : newTrace()
  const mark = { trace, isOpen: true }
  try {
    return await running.run(mark, work)
  } finally {
    mark.isOpen = false
  }
}

/** The trace of the request that is being answered; none outside of requests. */
export function currentTrace(): string | null {
  const mark = running.getStore()
  return mark?.isOpen ? mark.trace : null
}
