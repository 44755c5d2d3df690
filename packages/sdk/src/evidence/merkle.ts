import { sha256 } from './hash.ts'

/**
 * The Merkle tree of RFC 6962 §2.1 over leaf hashes. A range of leaves that is as long as a power of two and begins at a
 * multiple of it is a complete subtree, whose hash never changes once its leaves are there; all else is made of these.
 */

export const EMPTY_ROOT = sha256('')
const HASH_BYTES = 32

/** Nothing is awaited while this is in use. */
const NODE = Buffer.alloc(1 + 2 * HASH_BYTES, 1)

/** SHA-256 of a byte 1 and both children. */
export function nodeHash(left: Uint8Array, right: Uint8Array): Buffer {
  NODE.set(left, 1)
  NODE.set(right, 1 + HASH_BYTES)
  return sha256(NODE)
}

/**
 * The right edge of a tree: one hash for each bit that is set in its size, the largest subtree first. All that is needed
 * to append to a tree of any size and to know its root.
 */
export interface Edge {
  size: number
  hashes: Buffer[]
}

export function emptyEdge(): Edge {
  return { size: 0, hashes: [] }
}

/** Told of each complete subtree that an append makes, by its height and its place from the left. */
export type OnSubtree = (height: number, index: number, hash: Buffer) => void

/** Appends a leaf. */
export function appendLeaf(edge: Edge, leaf: Uint8Array, onSubtree?: OnSubtree): void {
  appendSubtree(edge, leaf, 0, onSubtree)
}

/** Appends a complete subtree of a height; it must fit behind what is there. */
export function appendSubtree(edge: Edge, root: Uint8Array, height: number, onSubtree?: OnSubtree): void {
  const width = 2 ** height
  if (edge.size % width !== 0)
    throw new RangeError(`A subtree of ${width} does not fit behind ${edge.size} leaves.`)
  let node = root instanceof Buffer ? root : Buffer.from(root.buffer, root.byteOffset, root.byteLength)
  let [index, grown] = [edge.size / width, height]
  // Each subtree of the same size on the left becomes one with it.
  for (; index % 2 === 1; index = (index - 1) / 2) {
    const left = edge.hashes.pop()
    if (!left) throw new Error('unreachable: the edge has a hash for each bit of its size')
    node = nodeHash(left, node)
    onSubtree?.(++grown, (index - 1) / 2, node)
  }
  edge.hashes.push(node)
  edge.size += width
}

export function rootOfEdge({ hashes }: Edge): Buffer {
  const last = hashes.at(-1)
  if (!last) return EMPTY_ROOT
  return hashes.slice(0, -1).reduceRight((root, left) => nodeHash(left, root), last)
}

/** An edge as bytes, and back; the size tells how many hashes there are. */
export function edgeToBytes({ hashes }: Edge): Buffer {
  return Buffer.concat(hashes)
}

export function edgeFromBytes(size: number, bytes: Uint8Array): Edge {
  const hashes = splitHashes(bytes)
  if (hashes.length !== bitsOf(size))
    throw new Error(`The edge of a tree of ${size} has ${bitsOf(size)} hashes.`)
  return { size, hashes }
}

export function splitHashes(bytes: Uint8Array): Buffer[] {
  if (bytes.byteLength % HASH_BYTES !== 0) throw new Error('Hashes have 32 bytes each.')
  return Array.from({ length: bytes.byteLength / HASH_BYTES }, (_, i) =>
    Buffer.from(bytes.buffer, bytes.byteOffset + i * HASH_BYTES, HASH_BYTES),
  )
}

function bitsOf(size: number): number {
  let bits = 0
  for (let rest = size; rest > 0; rest = Math.floor(rest / 2)) bits += rest % 2
  return bits
}

/** The root of all these leaves. */
export function rootOf(leaves: Iterable<Uint8Array>): Buffer {
  const edge = emptyEdge()
  for (const leaf of leaves) appendLeaf(edge, leaf)
  return rootOfEdge(edge)
}

/** A complete subtree that a proof needs, by height and index; or several whose hashes are to be joined from the right. */
export type ProofPart = readonly (readonly [height: number, index: number])[]

/** What an inclusion proof of a leaf consists of, from the leaf up (RFC 6962 §2.1.1). */
export function inclusionParts(index: number, size: number): ProofPart[] {
  if (!(index >= 0 && index < size)) throw new RangeError(`There is no leaf ${index} in a tree of ${size}.`)
  const parts: ProofPart[] = []
  let [from, to] = [0, size]
  while (to - from > 1) {
    const middle = from + splitOf(to - from)
    if (index < middle) {
      parts.push(subtreesOf(middle, to))
      to = middle
    } else {
      parts.push(subtreesOf(from, middle))
      from = middle
    }
  }
  return parts.reverse()
}

/** What a proof consists of that a tree of `size` began as one of `from` leaves (RFC 6962 §2.1.2). */
export function consistencyParts(from: number, size: number): ProofPart[] {
  if (!(from >= 0 && from <= size)) throw new RangeError(`A tree of ${size} never had ${from} leaves.`)
  if (from === 0 || from === size) return []
  const parts: ProofPart[] = []
  let [begin, end] = [0, size]
  for (;;) {
    if (from === end) {
      // The part that the old root itself is need not be given.
      if (begin !== 0) parts.push(subtreesOf(begin, end))
      return parts.reverse()
    }
    const middle = begin + splitOf(end - begin)
    if (from <= middle) {
      parts.push(subtreesOf(middle, end))
      end = middle
    } else {
      parts.push(subtreesOf(begin, middle))
      begin = middle
    }
  }
}

/** The largest power of two below `count`. */
function splitOf(count: number): number {
  let split = 1
  while (split * 2 < count) split *= 2
  return split
}

/** A range that begins at a multiple of its length rounded up, as complete subtrees from left to right. */
export function subtreesOf(from: number, to: number): ProofPart {
  const parts: [number, number][] = []
  for (let at = from; at < to; ) {
    let [height, width] = [0, 1]
    while (at % (width * 2) === 0 && at + width * 2 <= to) [height, width] = [height + 1, width * 2]
    parts.push([height, at / width])
    at += width
  }
  return parts
}

/** The hash of a part, from the hashes of its subtrees. */
export function joinParts(hashes: readonly Buffer[]): Buffer {
  const last = hashes.at(-1)
  if (!last) throw new Error('unreachable: a part of a proof has at least one subtree')
  return hashes.slice(0, -1).reduceRight((right, left) => nodeHash(left, right), last)
}

/** Whether a leaf is in the tree with this root (RFC 9162 §2.1.3.2). */
export function isIncluded(
  leaf: Uint8Array,
  at: { index: number; size: number },
  proof: readonly Uint8Array[],
  root: Uint8Array,
): boolean {
  const { index, size } = at
  if (!(index >= 0 && index < size) || proof.length > 64) return false
  let [node, last] = [index, size - 1]
  let hashed: Uint8Array = leaf
  for (const sibling of proof) {
    if (last === 0) return false
    if (node % 2 === 1 || node === last) {
      hashed = nodeHash(sibling, hashed)
      while (node % 2 === 0 && node !== 0) [node, last] = [node / 2, Math.floor(last / 2)]
    } else hashed = nodeHash(hashed, sibling)
    node = Math.floor(node / 2)
    last = Math.floor(last / 2)
  }
  return last === 0 && Buffer.compare(hashed, root) === 0
}

/** Whether the tree with the second root is the one with the first, grown (RFC 9162 §2.1.4.2). From nothing, anything grows. */
export function isConsistent(
  from: { size: number; root: Uint8Array },
  to: { size: number; root: Uint8Array },
  proof: readonly Uint8Array[],
): boolean {
  if (from.size < 0 || from.size > to.size || proof.length > 64) return false
  if (from.size === to.size) return proof.length === 0 && Buffer.compare(from.root, to.root) === 0
  if (from.size === 0) return proof.length === 0
  if (proof.length === 0) return false
  let [node, last] = [from.size - 1, to.size - 1]
  while (node % 2 === 1) [node, last] = [(node - 1) / 2, Math.floor(last / 2)]
  // Where the old tree is one complete subtree, it is the first hash of the proof.
  const [first, ...rest] = node === 0 ? [from.root, ...proof] : proof
  if (!first) return false
  let [older, newer]: [Uint8Array, Uint8Array] = [first, first]
  for (const sibling of rest) {
    if (last === 0) return false
    if (node % 2 === 1 || node === last) {
      older = nodeHash(sibling, older)
      newer = nodeHash(sibling, newer)
      while (node % 2 === 0 && node !== 0) [node, last] = [node / 2, Math.floor(last / 2)]
    } else newer = nodeHash(newer, sibling)
    node = Math.floor(node / 2)
    last = Math.floor(last / 2)
  }
  return last === 0 && Buffer.compare(older, from.root) === 0 && Buffer.compare(newer, to.root) === 0
}
