import {
  consistencyParts,
  EMPTY_ROOT,
  inclusionParts,
  joinParts,
  nodeHash,
  type ProofPart,
  subtreesOf,
} from '@valetkey/sdk/evidence'
import type { Ledger } from '../ledger.ts'
import { TILE_HASHES } from './growth.ts'

/** Proves what the trees of the logs hold, from their tiles. */
export interface Trees {
  inclusion(log: number, index: number, size: number): Promise<Buffer[]>
  consistency(log: number, from: number, size: number): Promise<Buffer[]>
  /** The root that a log had at a size, from what is stored now and not from what is remembered. */
  rootAt(log: number, size: number): Promise<Buffer>
}

const HEIGHT = 8
const HASH_BYTES = 32
const MOST_REMEMBERED = 1_000

/** The hashes of a tile, above them those of their pairs, and so on up: as far as these are complete. */
type Rows = readonly Buffer[]

/** Where the hash of a complete subtree is found. */
interface Place {
  tile: string
  level: number
  number: number
  row: number
  index: number
}

export function createTrees(ledger: Pick<Ledger, 'tile'>): Trees {
  /** A complete subtree never changes; a tile may have grown since, and is read again where that matters. */
  const remembered = new Map<string, Rows>()

  function remember(tile: string, rows: Rows): void {
    for (const oldest of remembered.keys()) {
      if (remembered.size < MOST_REMEMBERED) break
      remembered.delete(oldest)
    }
    remembered.set(tile, rows)
  }

  /** The hashes of parts of a proof; what is not known already is read at once. */
  async function hashesOf(
    log: number,
    parts: readonly ProofPart[],
    known: ReadonlyMap<string, Rows>,
  ): Promise<Buffer[]> {
    const places = parts.map(part => part.map(subtree => placeOf(log, subtree)))
    const tiles = new Map<string, Rows>()
    const unknown = new Map<string, Place>()
    for (const place of places.flat()) {
      const rows = known.get(place.tile)
      if (rows && nodeIn(rows, place)) tiles.set(place.tile, rows)
      else unknown.set(place.tile, place)
    }
    const read = async ({ tile, level, number }: Place) => {
      const rows = toRows(await ledger.tile(log, level, number))
      tiles.set(tile, rows)
      remember(tile, rows)
    }
    await Promise.all([...unknown.values()].map(read))
    return places.map(part =>
      joinParts(
        part.map(place => {
          const node = nodeIn(tiles.get(place.tile) ?? [], place)
          if (!node) throw new Error('unreachable: the tree is not that large')
          return node
        }),
      ),
    )
  }

  return {
    inclusion: (log, index, size) => hashesOf(log, inclusionParts(index, size), remembered),
    consistency: (log, from, size) => hashesOf(log, consistencyParts(from, size), remembered),
    async rootAt(log, size) {
      const [root] = size === 0 ? [] : await hashesOf(log, [subtreesOf(0, size)], new Map())
      return root ?? EMPTY_ROOT
    },
  }
}

function placeOf(log: number, [height, index]: ProofPart[number]): Place {
  const level = Math.floor(height / HEIGHT)
  const row = height % HEIGHT
  const width = TILE_HASHES / 2 ** row
  const number = Math.floor(index / width)
  return { tile: `${log}/${level}/${number}`, level, number, row, index: index % width }
}

function toRows(tile: Buffer): Rows {
  const rows = [tile]
  for (let row = tile; row.length >= 2 * HASH_BYTES; ) {
    const pairs = Math.floor(row.length / (2 * HASH_BYTES))
    const above = Buffer.allocUnsafe(pairs * HASH_BYTES)
    for (let i = 0; i < pairs; i++) {
      const at = i * 2 * HASH_BYTES
      const left = row.subarray(at, at + HASH_BYTES)
      nodeHash(left, row.subarray(at + HASH_BYTES, at + 2 * HASH_BYTES)).copy(above, i * HASH_BYTES)
    }
    rows.push(above)
    row = above
  }
  return rows
}

function nodeIn(rows: Rows, { row, index }: Place): Buffer | undefined {
  const node = rows[row]?.subarray(index * HASH_BYTES, (index + 1) * HASH_BYTES)
  return node?.length === HASH_BYTES ? node : undefined
}
