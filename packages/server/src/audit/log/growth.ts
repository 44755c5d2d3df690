import { appendLeaf, type Edge } from '@valetkey/sdk/evidence'

/** A tile of hashes, as it is after a log has grown; those of level 0 hold the leaves. */
export interface GrownTile {
  level: number
  number: number
  hashes: Buffer
}

/** How many hashes a tile holds, as a power of two: 8 levels of the tree. */
const HEIGHT = 8
export const TILE_HASHES = 2 ** HEIGHT
/** More levels than any log will have. */
export const TOP_LEVEL = 6

/** The tile that the next hash of a level goes into. */
export function openTile(size: number, level: number): number {
  return Math.floor(Math.floor(size / TILE_HASHES ** level) / TILE_HASHES)
}

/**
 * Takes leaf hashes into a tree; gives the tiles that have changed. `tileAt` knows those that are not full: one a level,
 * at the right edge.
 */
export function growTree(
  edge: Edge,
  leaves: Iterable<Buffer>,
  tileAt: (level: number, number: number) => Buffer,
): GrownTile[] {
  const grown = new Map<string, GrownTile & { added: Buffer[] }>()
  const onSubtree = (height: number, index: number, hash: Buffer) => {
    if (height % HEIGHT !== 0) return
    const [level, number] = [height / HEIGHT, Math.floor(index / TILE_HASHES)]
    const name = `${level}/${number}`
    const tile = grown.get(name) ?? { level, number, hashes: tileAt(level, number), added: [] }
    tile.added.push(hash)
    grown.set(name, tile)
  }
  for (const leaf of leaves) {
    onSubtree(0, edge.size, leaf)
    appendLeaf(edge, leaf, onSubtree)
  }
  return [...grown.values()].map(({ level, number, hashes, added }) => ({
    level,
    number,
    hashes: Buffer.concat([hashes, ...added]),
  }))
}
