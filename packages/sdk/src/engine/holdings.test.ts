import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { AssignmentFact } from '../core/index.ts'
import { type Holding, Holdings } from './holdings.ts'
import { PairMap } from './pairs.ts'
import { ResourceTree } from './tree.ts'

/** Few numbers, so that pairs come again and places collide; some far apart, as after a long life. */
const number = fc.oneof(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 2 ** 30 }))
const pair = fc.tuple(number, fc.oneof(fc.constant(0), number))

test('a map of pairs holds what a plain map holds, whatever is put, replaced and taken away', () => {
  const step = fc.record({ pair, keep: fc.boolean() })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), steps => {
      const pairs = new PairMap<{ n: number }>()
      const plain = new Map<string, { n: number }>()
      for (const [n, { pair, keep }] of steps.entries()) {
        const value = { n }
        if (keep) {
          pairs.set(...pair, value)
          plain.set(pair.join(), value)
        } else {
          pairs.delete(...pair)
          plain.delete(pair.join())
        }
        expect(pairs.size).toBe(plain.size)
      }
      for (const { pair } of steps) expect(pairs.get(...pair)).toBe(plain.get(pair.join()))
    }),
    { numRuns: 300 },
  )
})

test('a map of pairs that is filled and emptied again and again finds all, and nothing else', () => {
  const pairs = new PairMap<{ n: number }>()
  const values = Array.from({ length: 5_000 }, (_, n) => ({ n }))
  for (let round = 0; round < 3; round++) {
    for (const value of values) pairs.set(1 + (value.n % 70), value.n, value)
    for (const value of values) expect(pairs.get(1 + (value.n % 70), value.n)).toBe(value)
    expect(pairs.get(71, 1)).toBeUndefined()
    expect(pairs.get(0, 0)).toBeUndefined()
    for (const { n } of values) if (n % 3 !== round) pairs.delete(1 + (n % 70), n)
    for (const value of values)
      expect(pairs.get(1 + (value.n % 70), value.n)).toBe(value.n % 3 === round ? value : undefined)
    for (const { n } of values) pairs.delete(1 + (n % 70), n)
    expect(pairs.size).toBe(0)
  }
})

const role = { id: 'rol_1', fact: null, bits: new Int32Array(0) }

function given(id: number, principal: number, resource: number): AssignmentFact {
  const who = { principal, resource, role: role.id, createdBy: 'usr_1' }
  return { id: `asg_${id}`, ...who, source: 'direct', expiresAt: null }
}

function chain(first: Holding | undefined, next: 'nextHere' | 'nextOf' | 'nextAt'): string[] {
  const ids: string[] = []
  for (let at = first; at; at = at[next]) ids.push(at.fact.id)
  return ids.sort()
}

test('every assignment is found from its principal, its resource and both, until it is taken away', () => {
  const small = fc.integer({ min: 1, max: 4 })
  const step = fc.record({
    id: fc.integer({ min: 1, max: 12 }),
    principal: small,
    resource: small,
    do: fc.constantFrom('put', 'put', 'remove', 'remove at'),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), steps => {
      const tree = new ResourceTree()
      const holdings = new Holdings(tree)
      const plain = new Map<string, AssignmentFact>()
      for (const { id, principal, resource, do: what } of steps) {
        const fact = given(id, principal, resource)
        if (what === 'put') {
          holdings.put(fact, role)
          plain.set(fact.id, fact)
        } else if (what === 'remove') {
          holdings.remove(fact.id)
          plain.delete(fact.id)
        } else {
          holdings.removeAt(resource)
          for (const one of [...plain.values()]) if (one.resource === resource) plain.delete(one.id)
        }
        const where = (test: (one: AssignmentFact) => boolean) =>
          [...plain.values()]
            .filter(test)
            .map(one => one.id)
            .sort()
        expect(holdings.size).toBe(plain.size)
        for (const p of [1, 2, 3, 4]) {
          expect(chain(holdings.of(p), 'nextOf')).toEqual(where(one => one.principal === p))
          expect(chain(holdings.at(p), 'nextAt')).toEqual(where(one => one.resource === p))
          expect(tree.isGiven(p)).toBe(where(one => one.resource === p).length > 0)
          for (const r of [1, 2, 3, 4])
            expect(chain(holdings.here(p, r), 'nextHere')).toEqual(
              where(one => one.principal === p && one.resource === r),
            )
        }
      }
    }),
    { numRuns: 300 },
  )
})

test('of several on one resource, the one that is taken away takes no other along, wherever it stands', () => {
  for (const gone of [1, 2, 3, 4]) {
    const holdings = new Holdings(new ResourceTree())
    for (const id of [1, 2, 3, 4]) holdings.put(given(id, 7, 9), role)
    holdings.remove(`asg_${gone}`)
    const left = [1, 2, 3, 4].filter(id => id !== gone).map(id => `asg_${id}`)
    expect(chain(holdings.here(7, 9), 'nextHere')).toEqual(left)
  }
})

test('a mark outlives that its resource comes, is moved and is renamed, and no more', () => {
  const tree = new ResourceTree()
  tree.mark(200, true)
  tree.put(2, [200, 'a', 7])
  tree.put(2, [200, 'b', 9])
  expect([tree.isGiven(200), tree.parentOf(200), tree.isGiven(9)]).toEqual([true, 9, false])
  tree.mark(200, false)
  expect([tree.isGiven(200), tree.parentOf(200)]).toEqual([false, 9])
  tree.mark(200, true)
  tree.remove(200)
  expect([tree.isGiven(200), tree.parentOf(200)]).toEqual([false, 0])
})
