import type { Change } from '@valetkey/sdk/core'
import type { ChangeListener } from './store.ts'

/** Those in this process who want to know of commits. */
export interface Listeners {
  /** For hints of what changed, wherever it was. */
  add(listener: ChangeListener): () => void
  /** For what this node committed, when those who want hints have asked what they want to know. */
  addLate(listener: () => void): () => void
  /**
   * Calls those who want hints before whoever awaited the write goes on. Each runs on its own, so that a fault in one
   * reaches neither the others nor the write, which is committed already, and is loud all the same.
   */
  hint: ChangeListener
  /** The same for a commit of this node, which the others hear of later. */
  committed(changes: readonly Change[]): void
}

export function createListeners(): Listeners {
  const [prompt, late] = [new Set<ChangeListener>(), new Set<() => void>()]
  const hint: ChangeListener = (organizations, changes) => {
    for (const listener of prompt) queueMicrotask(() => listener(organizations, changes))
  }
  function tellLate(): void {
    for (const listener of late) queueMicrotask(listener)
  }
  return {
    add: listener => addTo(prompt, listener),
    addLate: listener => addTo(late, listener),
    hint,
    committed(changes) {
      const organizations = changes.map(({ organization }) => organization)
      hint(organizations, changes)
      setImmediate(tellLate)
    },
  }
}

function addTo<T>(listeners: Set<T>, listener: T): () => void {
  listeners.add(listener)
  return () => void listeners.delete(listener)
}
