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
  /** The root that a log had at a size. */
  rootAt(log: number, size: number): Promise<Buffer>
}

const HEIGHT = 8
const HASH_BYTES = 32
const MOST_REMEMBERED = 1_000

export function createTrees(ledger: Pick<Ledger, 'tile'>): Trees {
  /** Full tiles with all that lies above their hashes; they never change. */
  const remembered = new Map<string, Buffer>()

  async function pyramidOf(log: number, level: number, number: number): Promise<Buffer> {
    const name = `${log}/${level}/${number}`
    const known = remembered.get(name)
    if (known) return known
    const pyramid = toPyramid(await ledger.tile(log, level, number))
    if (pyramid.length === FULL_PYRAMID) {
      for (const oldest of remembered.keys()) {
        if (remembered.size < MOST_REMEMBERED) break
        remembered.delete(oldest)
      }
      remembered.set(name, pyramid)
    }
    return pyramid
  }

  /** The hash of a complete subtree. */
  async function subtree(log: number, height: number, index: number): Promise<Buffer> {
    const level = Math.floor(height / HEIGHT)
    const within = height % HEIGHT
    const first = index * 2 ** within
    const number = Math.floor(first / TILE_HASHES)
    const pyramid = await pyramidOf(log, level, number)
    return nodeIn(pyramid, within, (first % TILE_HASHES) / 2 ** within)
  }

  async function hashOf(log: number, part: ProofPart): Promise<Buffer> {
    const hashes: Buffer[] = []
    for (const [height, index] of part) hashes.push(await subtree(log, height, index))
    return joinParts(hashes)
  }

  async function prove(log: number, parts: readonly ProofPart[]): Promise<Buffer[]> {
    const proof: Buffer[] = []
    for (const part of parts) proof.push(await hashOf(log, part))
    return proof
  }

  return {
    inclusion: (log, index, size) => prove(log, inclusionParts(index, size)),
    consistency: (log, from, size) => prove(log, consistencyParts(from, size)),
    rootAt: async (log, size) => (size === 0 ? EMPTY_ROOT : hashOf(log, subtreesOf(0, size))),
  }
}

/** All 511 nodes over 256 hashes. */
const FULL_PYRAMID = (2 * TILE_HASHES - 1) * HASH_BYTES

/** The hashes of a tile, then the nodes over pairs of them, and so on up; of a tile that is not full those that are complete. */
function toPyramid(tile: Buffer): Buffer {
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
  return Buffer.concat(rows)
}

function nodeIn(pyramid: Buffer, height: number, index: number): Buffer {
  // How many hashes the tile holds follows from the size of its pyramid, row by row.
  let [at, width] = [0, hashesIn(pyramid)]
  for (let row = 0; row < height; row++) {
    at += width
    width = Math.floor(width / 2)
  }
  if (index >= width) throw new Error('unreachable: the tree is not that large')
  return pyramid.subarray((at + index) * HASH_BYTES, (at + index + 1) * HASH_BYTES)
}

function hashesIn(pyramid: Buffer): number {
  const nodes = pyramid.length / HASH_BYTES
  let width = Math.min(TILE_HASHES, Math.ceil(nodes / 2))
  while (nodesOver(width) < nodes) width++
  return width
}

function nodesOver(width: number): number {
  let nodes = 0
  for (let row = width; row > 0; row = Math.floor(row / 2)) nodes += row
  return nodes
}
