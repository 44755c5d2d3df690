/** Hashes of entries that are durable and in no tree yet, so that a tree grows without reading and hashing them again. */
export interface FreshHashes {
  /** Takes the hashes of entries that follow each other, from `first` on. */
  put(log: number, first: number, hashes: Buffer): void
  /** Gives those from one index to another, the second excluded, and forgets them; undefined where some are not known. */
  take(log: number, from: number, to: number): Buffer | undefined
}

const HASH_BYTES = 32
/** What a second brings in at several times the speed that is promised; where nothing grows, it is not kept for ever. */
const MOST_BYTES = 4 << 20

export function createFreshHashes(): FreshHashes {
  const known = new Map<number, { first: number; hashes: Buffer }>()
  let bytes = 0

  function forget(log: number): void {
    bytes -= known.get(log)?.hashes.length ?? 0
    known.delete(log)
  }

  function keep(log: number, first: number, hashes: Buffer): void {
    forget(log)
    if (hashes.length === 0) return
    known.set(log, { first, hashes })
    bytes += hashes.length
  }

  return {
    put(log, first, hashes) {
      if (bytes > MOST_BYTES) for (const each of [...known.keys()]) forget(each)
      const before = known.get(log)
      if (before && before.first + before.hashes.length / HASH_BYTES === first)
        keep(log, before.first, Buffer.concat([before.hashes, hashes]))
      else keep(log, first, hashes)
    },
    take(log, from, to) {
      const { first = 0, hashes = Buffer.alloc(0) } = known.get(log) ?? {}
      const [begin, end] = [(from - first) * HASH_BYTES, (to - first) * HASH_BYTES]
      if (begin < 0 || end > hashes.length) return undefined
      keep(log, to, hashes.subarray(end))
      return hashes.subarray(begin, end)
    },
  }
}
