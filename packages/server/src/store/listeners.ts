import type { ChangeListener } from './store.ts'

/** Those in this process who want to know of commits. */
export interface Listeners {
  add(listener: ChangeListener, isLate?: boolean): () => void
  /**
   * Calls them before whoever awaited the write goes on, the late ones when these have asked what they want to know.
   * Each runs on its own, so that a fault in one reaches neither the others nor the write, which is committed already,
   * and is loud all the same.
   */
  call(organizations: readonly string[] | undefined): void
}

export function createListeners(): Listeners {
  const [prompt, late] = [new Set<ChangeListener>(), new Set<ChangeListener>()]
  const callAll = (listeners: ReadonlySet<ChangeListener>, organizations: readonly string[] | undefined) => {
    for (const listener of listeners) queueMicrotask(() => listener(organizations))
  }
  return {
    add(listener, isLate = false) {
      const listeners = isLate ? late : prompt
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    call(organizations) {
      callAll(prompt, organizations)
      setImmediate(() => callAll(late, organizations))
    },
  }
}
