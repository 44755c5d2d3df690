import { expect, test } from 'vitest'
import { ResourceTree } from './tree.ts'

const [ORGANIZATION, FOLDER, LETTER, DOCUMENT] = [1, 2, 3, 4] as const

/** Every number that a tree knows is where a plain map says. */
function expectSame(tree: ResourceTree, parents: ReadonlyMap<number, number>): void {
  expect(tree.size).toBe(parents.size)
  for (const [seq, parent] of parents) {
    expect(tree.has(seq)).toBe(true)
    expect(tree.parentOf(seq)).toBe(parent)
    expect(tree.typeOf(seq)).toBe(seq === 1 ? ORGANIZATION : FOLDER)
    expect(tree.find(tree.typeOf(seq), `r${seq}`)).toBe(seq)
    const below = [...parents].filter(([, above]) => above === seq).map(([one]) => one)
    expect([...tree.childrenOf(seq)].sort((a, b) => a - b)).toEqual(below.sort((a, b) => a - b))
  }
}

test('a tree that outgrows its room again and again forgets nothing, whatever the steps of its numbers', () => {
  for (const step of [1, 2, 37, 63, 64, 65, 200]) {
    const tree = new ResourceTree()
    tree.put(ORGANIZATION, [1, 'r1', null])
    const parents = new Map([[1, 0]])
    const seqs = [1]
    for (let n = 1; n <= 150; n++) {
      const seq = 1 + n * step
      const parent = seqs[Math.floor(n / 3)] ?? 1
      tree.put(FOLDER, [seq, `r${seq}`, parent])
      parents.set(seq, parent)
      seqs.push(seq)
    }
    expectSame(tree, parents)
    expect(tree.countOf(FOLDER)).toBe(150)
    expect([...tree.ofType(FOLDER, 0)]).toEqual(seqs.slice(1))
    expect([...tree.ofType(FOLDER, seqs[10] ?? 0)]).toEqual(seqs.slice(11))
    // The oldest childless ones were linked before the room was made.
    for (const seq of seqs.filter(one => ![...parents.values()].includes(one)).slice(0, 40)) {
      tree.remove(seq)
      parents.delete(seq)
    }
    for (const seq of [...parents.keys()].slice(1, 30)) {
      tree.put(FOLDER, [seq, `r${seq}`, 1])
      parents.set(seq, 1)
    }
    expectSame(tree, parents)
  }
})

test('room for the very last number is made at once', () => {
  for (const last of [63, 64, 65, 95, 96, 97, 1_000]) {
    const tree = new ResourceTree()
    tree.put(ORGANIZATION, [1, 'r1', null])
    tree.put(FOLDER, [last, `r${last}`, 1])
    tree.put(FOLDER, [2, 'r2', last])
    expectSame(
      tree,
      new Map([
        [1, 0],
        [last, 1],
        [2, last],
      ]),
    )
  }
})

test('a parent may come after its children, even where there is no room for it yet', () => {
  const tree = new ResourceTree()
  tree.put(FOLDER, [2, 'r2', 500])
  tree.put(FOLDER, [3, 'r3', 500])
  tree.put(FOLDER, [500, 'r500', 1])
  tree.put(ORGANIZATION, [1, 'r1', null])
  expectSame(
    tree,
    new Map([
      [1, 0],
      [2, 500],
      [3, 500],
      [500, 1],
    ]),
  )
})

test('what is taken from the beginning, the middle and the end of a row of children leaves the others', () => {
  for (const gone of [2, 3, 4]) {
    const tree = new ResourceTree()
    tree.put(ORGANIZATION, [1, 'r1', null])
    for (const seq of [2, 3, 4]) tree.put(FOLDER, [seq, `r${seq}`, 1])
    tree.put(FOLDER, [5, 'r5', gone])
    const removed: number[] = []
    tree.remove(gone, seq => removed.push(seq))
    expect(removed.sort()).toEqual([gone, 5])
    const kept = [2, 3, 4].filter(seq => seq !== gone)
    expectSame(tree, new Map([[1, 0], ...kept.map(seq => [seq, 1] as const)]))
    expect(tree.has(gone)).toBe(false)
    expect(tree.find(FOLDER, `r${gone}`)).toBe(0)
    expect(tree.typeOf(gone)).toBe(0)
    expect(tree.externalIdOf(gone)).toBe('')
    expect([tree.parentOf(5), tree.isWithin(gone, 1)]).toEqual([0, false])
    expect([...tree.childrenOf(gone)]).toEqual([])
    tree.remove(gone, () => expect('removed twice').toBe(''))
    expect(tree.size).toBe(3)
    expect(tree.countOf(FOLDER)).toBe(2)
  }
})

test('two that are taken from a row of children one after the other leave the others, whichever they are', () => {
  const row = [2, 3, 4, 5]
  for (const first of row)
    for (const second of row.filter(seq => seq !== first)) {
      const tree = new ResourceTree()
      tree.put(ORGANIZATION, [1, 'r1', null])
      for (const seq of row) tree.put(FOLDER, [seq, `r${seq}`, 1])
      tree.remove(first)
      tree.remove(second)
      const kept = row.filter(seq => seq !== first && seq !== second)
      expectSame(tree, new Map([[1, 0], ...kept.map(seq => [seq, 1] as const)]))
    }
})

test('a resource that is renamed is found under its new name only', () => {
  const tree = new ResourceTree()
  tree.put(ORGANIZATION, [1, 'r1', null])
  tree.put(FOLDER, [2, 'old', 1])
  tree.put(FOLDER, [2, 'new', 1])
  expect([tree.find(FOLDER, 'old'), tree.find(FOLDER, 'new'), tree.size]).toEqual([0, 2, 2])
  expect([tree.find(LETTER, 'new'), tree.countOf(LETTER)]).toEqual([0, 0])
  expect([...tree.ofType(LETTER, 0)]).toEqual([])
  expect([...tree.ofTypeWithin(LETTER, 1)]).toEqual([])
  expect([...tree.ofTypeWithin(LETTER, 10_000)]).toEqual([])
})

test('an id that two have for a moment stays with the one that got it last', () => {
  const tree = new ResourceTree()
  tree.put(ORGANIZATION, [1, 'r1', null])
  tree.put(FOLDER, [2, 'x', 1])
  tree.put(FOLDER, [3, 'x', 1])
  tree.remove(2)
  expect(tree.find(FOLDER, 'x')).toBe(3)
  expect([...tree.childrenOf(0)]).toEqual([])
})

test('what lies within what is told by the way up', () => {
  const tree = new ResourceTree()
  tree.put(ORGANIZATION, [1, 'r1', null])
  tree.put(FOLDER, [2, 'a', 1])
  tree.put(DOCUMENT, [3, 'b', 2])
  tree.put(FOLDER, [4, 'c', 1])
  expect([tree.isWithin(3, 2), tree.isWithin(3, 1), tree.isWithin(2, 2)]).toEqual([true, true, true])
  expect([tree.isWithin(2, 3), tree.isWithin(3, 4), tree.isWithin(9, 1)]).toEqual([false, false, false])
  expect([...tree.ofTypeWithin(DOCUMENT, 1)]).toEqual([3])
  expect([...tree.ofTypeWithin(DOCUMENT, 4)]).toEqual([])
  expect([...tree.ofTypeWithin(DOCUMENT, 9)]).toEqual([])
})

test('its rows make the same tree again', () => {
  const tree = new ResourceTree()
  tree.put(ORGANIZATION, [1, 'r1', null])
  for (const seq of [2, 3, 4]) tree.put(FOLDER, [seq, `r${seq}`, seq - 1])
  tree.remove(4)
  expect([...tree.rows()]).toEqual([
    [ORGANIZATION, [[1, 'r1', null]]],
    [
      FOLDER,
      [
        [2, 'r2', 1],
        [3, 'r3', 2],
      ],
    ],
  ])
})

test('memory is counted by what is there, and by the room that is kept', () => {
  const tree = new ResourceTree()
  const empty = tree.bytes
  expect(empty).toBeGreaterThan(0)
  tree.put(ORGANIZATION, [1, 'r1', null])
  expect(tree.bytes - empty).toBeGreaterThan(10)
  tree.remove(1)
  expect(tree.bytes).toBe(empty)
  tree.reserve(9_999)
  const kept = tree.bytes
  expect(kept - empty).toBeGreaterThan(9_000 * 18)
  tree.reserve(10_000)
  expect(tree.bytes).toBeGreaterThan(kept)
})

test('room is made for more than the next number, so that numbers one by one do not each cost a copy', () => {
  const tree = new ResourceTree()
  tree.reserve(64)
  const { bytes } = tree
  for (const next of [65, 80, 95]) {
    tree.reserve(next)
    expect(tree.bytes).toBe(bytes)
  }
})

test('a number that is no resource has no name and no type, and there is nothing of no type', () => {
  const tree = new ResourceTree()
  tree.put(ORGANIZATION, [1, 'r1', null])
  tree.put(FOLDER, [5, 'r5', 1])
  tree.remove(5)
  expect([0, 3, 5, 10_000].map(seq => tree.externalIdOf(seq))).toEqual(['', '', '', ''])
  expect([0, 3, 5, 10_000].map(seq => tree.typeOf(seq))).toEqual([0, 0, 0, 0])
  expect([...tree.ofType(0, 0)]).toEqual([])
  expect([tree.find(0, 'r1'), tree.find(0, '')]).toEqual([0, 0])
  for (const seq of [0, 3, 5, 10_000]) expect([...tree.ofTypeWithin(0, seq)]).toEqual([])
})

test('an id is known to be no segment of a path for as long as its resource is called so', () => {
  const tree = new ResourceTree()
  tree.put(ORGANIZATION, [1, 'r1', null])
  expect(tree.isPlain(1)).toBe(true)
  for (const odd of ['a/b', 'a%b']) {
    tree.put(FOLDER, [2, odd, 1])
    expect([tree.isPlain(2), tree.isPlain(1)]).toEqual([false, true])
    tree.put(FOLDER, [2, 'ab', 1])
    expect(tree.isPlain(2)).toBe(true)
  }
})

test('there is room for so many types and no more', () => {
  const tree = new ResourceTree()
  tree.put(0xffff, [1, 'r1', null])
  expect(tree.typeOf(1)).toBe(0xffff)
  expect(() => tree.put(0x10000, [2, 'r2', 1])).toThrow(
    expect.objectContaining({ code: 'internal', message: 'too many resource types: 65536' }),
  )
  expect(tree.size).toBe(1)
})
