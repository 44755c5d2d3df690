/** Remembers what `make` made of the texts that were asked for last. */
export function createMemo<T>(limit: number, make: (text: string) => T): (text: string) => T {
  const kept = new Map<string, T>()
  return text => {
    const value = kept.get(text) ?? make(text)
    // A map iterates in the order of insertion: what is asked for moves to the end, the oldest is in front.
    kept.delete(text)
    kept.set(text, value)
    if (kept.size > limit) kept.delete(kept.keys().next().value ?? '')
    return value
  }
}
