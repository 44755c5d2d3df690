import { hash } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  appendLeaf,
  appendSubtree,
  consistencyParts,
  EMPTY_ROOT,
  edgeFromBytes,
  edgeToBytes,
  emptyEdge,
  inclusionParts,
  isConsistent,
  isIncluded,
  joinParts,
  nodeHash,
  type ProofPart,
  rootOf,
  rootOfEdge,
} from './merkle.ts'

const sha256 = (...parts: Uint8Array[]) => hash('sha256', Buffer.concat(parts), 'buffer')
const hex = (hashes: readonly Buffer[]) => hashes.map(each => each.toString('hex')).join('\n')

/** The entries that certificate transparency logs have always been tested with, and their roots (RFC 6962). */
const ENTRIES = [
  '',
  '00',
  '10',
  '2021',
  '3031',
  '40414243',
  '5051525354555657',
  '606162636465666768696a6b6c6d6e6f',
]
const LEAVES = ENTRIES.map(hex => sha256(Buffer.of(0), Buffer.from(hex, 'hex')))
const ROOTS = [
  'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
]

/** RFC 6962 §2.1 word for word, to compare with. */
function slowRoot(leaves: readonly Buffer[]): Buffer {
  if (leaves.length === 0) return sha256()
  const [only] = leaves
  if (leaves.length === 1 && only) return only
  let k = 1
  while (k * 2 < leaves.length) k *= 2
  return sha256(Buffer.of(1), slowRoot(leaves.slice(0, k)), slowRoot(leaves.slice(k)))
}
function slowPath(m: number, leaves: readonly Buffer[]): Buffer[] {
  if (leaves.length === 1) return []
  let k = 1
  while (k * 2 < leaves.length) k *= 2
  return m < k
    ? [...slowPath(m, leaves.slice(0, k)), slowRoot(leaves.slice(k))]
    : [...slowPath(m - k, leaves.slice(k)), slowRoot(leaves.slice(0, k))]
}
function slowProof(m: number, leaves: readonly Buffer[], whole: boolean): Buffer[] {
  if (m === leaves.length) return whole ? [] : [slowRoot(leaves)]
  let k = 1
  while (k * 2 < leaves.length) k *= 2
  return m <= k
    ? [...slowProof(m, leaves.slice(0, k), whole), slowRoot(leaves.slice(k))]
    : [...slowProof(m - k, leaves.slice(k), false), slowRoot(leaves.slice(0, k))]
}

const hashesOf = (parts: readonly ProofPart[], leaves: readonly Buffer[]) =>
  parts.map(part => {
    const subtree = ([height, index]: readonly [number, number]) =>
      slowRoot(leaves.slice(index * 2 ** height, (index + 1) * 2 ** height))
    return joinParts(part.map(subtree))
  })
const many = (count: number) =>
  Array.from({ length: count }, (_, i) => sha256(Buffer.of(0), Buffer.from(`${i}`)))

test('roots are those of RFC 6962 for the classic entries', () => {
  for (const [size, root] of ROOTS.entries()) expect(rootOf(LEAVES.slice(0, size)).toString('hex')).toBe(root)
  expect(EMPTY_ROOT.toString('hex')).toBe(ROOTS[0])
})

test('proofs are those of RFC 6962 for the classic entries', () => {
  const proof = (parts: ProofPart[], size: number) =>
    hashesOf(parts, LEAVES.slice(0, size)).map(hash => hash.toString('hex'))
  expect(proof(inclusionParts(5, 8), 8)).toEqual([
    'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b',
    'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0',
    ROOTS[4],
  ])
  expect(proof(inclusionParts(2, 3), 3)).toEqual([ROOTS[2]])
  expect(proof(consistencyParts(6, 8), 8)).toEqual([
    '0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a',
    'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0',
    ROOTS[4],
  ])
  expect(proof(consistencyParts(4, 8), 8)).toEqual([
    '6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4',
  ])
  expect(proof(consistencyParts(2, 5), 5)).toEqual([
    '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
    'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b',
  ])
  expect(consistencyParts(1, 1)).toEqual([])
})

test('every inclusion and consistency proof of every size up to 48 is the one of the RFC, and holds', () => {
  const leaves = many(48)
  let proofs = 0
  for (let size = 1; size <= leaves.length; size++) {
    const tree = leaves.slice(0, size)
    const root = slowRoot(tree)
    expect(rootOf(tree).equals(root)).toBe(true)
    for (let index = 0; index < size; index++) {
      const proof = hashesOf(inclusionParts(index, size), tree)
      expect(hex(proof)).toBe(hex(slowPath(index, tree)))
      expect(isIncluded(tree[index] ?? root, { index, size }, proof, root)).toBe(true)
      const from = { size: index + 1, root: slowRoot(tree.slice(0, index + 1)) }
      const growth = hashesOf(consistencyParts(from.size, size), tree)
      expect(hex(growth)).toBe(hex(slowProof(from.size, tree, true)))
      expect(isConsistent(from, { size, root }, growth)).toBe(true)
      proofs += 2
    }
  }
  expect(proofs).toBe(48 * 49)
})

test('a proof that was bent in any way proves nothing', () => {
  const leaves = many(300)
  const arbitrary = fc
    .integer({ min: 2, max: 300 })
    .chain(size =>
      fc.record({ size: fc.constant(size), index: fc.nat(size - 1), bend: fc.nat(1_000), bit: fc.nat(255) }),
    )
  fc.assert(
    fc.property(arbitrary, ({ size, index, bend, bit }) => {
      const tree = leaves.slice(0, size)
      const root = rootOf(tree)
      const proof = hashesOf(inclusionParts(index, size), tree)
      const leaf = tree[index] ?? root
      for (const bent of bendings(proof, bend, bit))
        expect(isIncluded(leaf, { index, size }, bent, root)).toBe(false)
      expect(isIncluded(leaves[299] ?? root, { index, size }, proof, root)).toBe(
        size === 300 && index === 299,
      )
      expect(isIncluded(leaf, { index, size }, proof, flipped(root, bit))).toBe(false)
      expect(isIncluded(leaf, { index: size, size }, proof, root)).toBe(false)
      const from = { size: index + 1, root: rootOf(tree.slice(0, index + 1)) }
      const growth = hashesOf(consistencyParts(from.size, size), tree)
      for (const bent of bendings(growth, bend, bit))
        expect(isConsistent(from, { size, root }, bent)).toBe(false)
      if (from.size < size) {
        expect(isConsistent({ ...from, root: flipped(from.root, bit) }, { size, root }, growth)).toBe(false)
        expect(isConsistent(from, { size, root: flipped(root, bit) }, growth)).toBe(false)
        expect(isConsistent({ size, root }, from, growth)).toBe(false)
      }
    }),
    { numRuns: 60 },
  )
})

/** A proof with a bit turned, a hash missing, one too many, and two in the wrong order. */
function bendings(proof: readonly Buffer[], at: number, bit: number): Buffer[][] {
  const index = at % Math.max(1, proof.length)
  const extra = [...proof, sha256(Buffer.of(7))]
  if (proof.length === 0) return [extra]
  const bent = [
    proof.map((hash, i) => (i === index ? flipped(hash, bit) : hash)),
    proof.filter((_, i) => i !== index),
    extra,
    [sha256(Buffer.of(7)), ...proof],
  ]
  return proof.length > 1 ? [...bent, [...proof.slice(1), ...proof.slice(0, 1)]] : bent
}

function flipped(hash: Buffer, bit: number): Buffer {
  const copy = Buffer.from(hash)
  copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (1 << (bit & 7))
  return copy
}

test('an edge goes on from bytes, leaf by leaf or by whole subtrees, and ends at the same root', () => {
  const leaves = many(600)
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 64 }), { maxLength: 12 }), cuts => {
      let edge = emptyEdge()
      for (const cut of cuts) {
        const [from, to] = [edge.size, Math.min(600, edge.size + cut)]
        const height = Math.log2(cut & -cut)
        const told: [number, number, Buffer][] = []
        const onSubtree = (...subtree: [number, number, Buffer]) => void told.push(subtree)
        if (from % 2 ** height === 0 && from + 2 ** height <= 600)
          appendSubtree(edge, rootOf(leaves.slice(from, from + 2 ** height)), height, onSubtree)
        else for (const leaf of leaves.slice(from, to)) appendLeaf(edge, leaf, onSubtree)
        for (const [grown, index, node] of told)
          expect(node.equals(rootOf(leaves.slice(index * 2 ** grown, (index + 1) * 2 ** grown)))).toBe(true)
        edge = edgeFromBytes(edge.size, edgeToBytes(edge))
        expect(rootOfEdge(edge).equals(slowRoot(leaves.slice(0, edge.size)))).toBe(true)
      }
    }),
    { numRuns: 40 },
  )
  expect(() => edgeFromBytes(3, Buffer.alloc(32))).toThrow('2 hashes')
  expect(() => appendSubtree({ size: 1, hashes: [EMPTY_ROOT] }, EMPTY_ROOT, 1)).toThrow(RangeError)
})

test('sizes beyond 32 bits are exact', () => {
  const size = 2 ** 40 + 5
  const leaf = sha256(Buffer.of(9))
  const proof = inclusionParts(2 ** 40 + 4, size).map(part => joinParts(part.map(() => leaf)))
  // Walked by hand: the last leaf of five, then the full subtree to its left.
  const root = nodeHash(leaf, nodeHash(leaf, leaf))
  expect(proof).toHaveLength(2)
  expect(isIncluded(leaf, { index: 2 ** 40 + 4, size }, proof, root)).toBe(true)
  expect(isIncluded(leaf, { index: 4, size: 5 }, proof.slice(0, 1), root)).toBe(false)
})
