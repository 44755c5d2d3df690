import type { ChangeListener } from './store.ts'

/** Those in this process who want to know of commits. */
export interface Listeners {
  add(listener: ChangeListener): () => void
  /**
   * Calls all of them before whoever awaited the write goes on. Each runs on its own, so that a fault in one reaches
   * neither the others nor the write, which is committed already, and is loud all the same.
   */
  call(organizations: readonly string[] | undefined): void
}

export function createListeners(): Listeners {
  const listeners = new Set<ChangeListener>()
  return {
    add(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    call(organizations) {
      for (const listener of listeners) queueMicrotask(() => listener(organizations))
    },
  }
}
