import { appendLeaf, emptyEdge, rootOfEdge } from '../merkle.ts'

const HASH_BYTES = 32
const BLOCK_HASHES = 4_096

/** The leaf hashes of a log by their index, with room for tens of millions. */
export interface Leaves {
  put(index: number, hash: Uint8Array): void
  at(index: number): Buffer | undefined
  /** The hash that stood beside an entry which was changed: what else is signed tells whether that was the true one. */
  state(index: number, hash: Buffer): void
  stated(index: number): Buffer | undefined
  /** Whether any was stated to be another one. */
  isRestated(): boolean
  /** Up to this index there is no gap. */
  complete(): number
  /** The roots at these sizes, as far as it is complete; of what is there, or of what was stated. */
  roots(sizes: readonly number[], of: 'computed' | 'stated'): Map<number, Buffer>
}

export function createLeaves(): Leaves {
  const blocks: Buffer[] = []
  const known: Uint8Array[] = []
  const statedHashes = new Map<number, Buffer>()
  let complete = 0

  function has(index: number): boolean {
    return known[Math.floor(index / BLOCK_HASHES)]?.[index % BLOCK_HASHES] === 1
  }
  function at(index: number): Buffer | undefined {
    if (!has(index)) return undefined
    const from = (index % BLOCK_HASHES) * HASH_BYTES
    return blocks[Math.floor(index / BLOCK_HASHES)]?.subarray(from, from + HASH_BYTES)
  }

  return {
    at,
    state: (index, hash) => void statedHashes.set(index, hash),
    stated: index => statedHashes.get(index) ?? at(index),
    isRestated: () => statedHashes.size > 0,
    put(index, hash) {
      const number = Math.floor(index / BLOCK_HASHES)
      blocks[number] ??= Buffer.allocUnsafe(BLOCK_HASHES * HASH_BYTES)
      known[number] ??= new Uint8Array(BLOCK_HASHES)
      blocks[number].set(hash, (index % BLOCK_HASHES) * HASH_BYTES)
      known[number][index % BLOCK_HASHES] = 1
      while (has(complete)) complete++
    },
    complete: () => complete,
    roots(sizes, of) {
      const roots = new Map<number, Buffer>()
      const wanted = new Set(sizes)
      const edge = emptyEdge()
      if (wanted.has(0)) roots.set(0, rootOfEdge(edge))
      const last = Math.min(
        complete,
        sizes.reduce((most, size) => Math.max(most, size), 0),
      )
      for (let index = 0; index < last; index++) {
        const leaf = (of === 'stated' ? statedHashes.get(index) : undefined) ?? at(index)
        if (leaf) appendLeaf(edge, leaf)
        if (wanted.has(index + 1)) roots.set(index + 1, rootOfEdge(edge))
      }
      return roots
    },
  }
}
