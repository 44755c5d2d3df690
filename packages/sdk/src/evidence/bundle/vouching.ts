const BLOCK = 4_096

/**
 * Keeps which point each record is said to be of, until a shipment that this point has signed names it. What is left at
 * the end nobody vouches for but the authority, which could have made it up.
 */
export interface Vouching {
  claim(index: number, point: string): void
  vouch(index: number, point: string): void
  /** Records that are left, as runs of indexes. */
  left(): { first: number; last: number }[]
}

export function createVouching(): Vouching {
  const numbers = new Map<string, number>()
  const blocks: Uint16Array[] = []
  const numberOf = (point: string) => {
    const number = numbers.get(point) ?? numbers.size + 1
    numbers.set(point, number)
    return number
  }
  return {
    claim(index, point) {
      const block = Math.floor(index / BLOCK)
      blocks[block] ??= new Uint16Array(BLOCK)
      blocks[block][index % BLOCK] = numberOf(point)
    },
    vouch(index, point) {
      const block = blocks[Math.floor(index / BLOCK)]
      if (block?.[index % BLOCK] === numberOf(point)) block[index % BLOCK] = 0
    },
    left() {
      const runs: { first: number; last: number }[] = []
      for (const [number, block] of blocks.entries())
        for (const [i, point] of block?.entries() ?? []) {
          if (point === 0) continue
          const index = number * BLOCK + i
          const run = runs.at(-1)
          if (run?.last === index - 1) run.last = index
          else runs.push({ first: index, last: index })
        }
      return runs
    },
  }
}
