import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createFreshHashes } from './fresh-hashes.ts'

const hashOf = (log: number, index: number) => {
  const hash = Buffer.alloc(32)
  hash.writeUInt32BE(log, 0)
  hash.writeUInt32BE(index, 4)
  return hash
}
const hashesOf = (log: number, from: number, to: number) =>
  Buffer.concat(Array.from({ length: to - from }, (_, i) => hashOf(log, from + i)))

test('what is given is what was put for these entries, or nothing, in whatever order it is put and taken', () => {
  const step = fc.record({
    do: fc.constantFrom('put', 'take'),
    log: fc.nat(2),
    from: fc.nat(40),
    count: fc.nat(30),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), steps => {
      const fresh = createFreshHashes()
      for (const { do: what, log, from, count } of steps) {
        if (what === 'put') fresh.put(log, from, hashesOf(log, from, from + count))
        else
          expect([undefined, hashesOf(log, from, from + count)]).toContainEqual(
            fresh.take(log, from, from + count),
          )
      }
    }),
  )
})

test('a log that grows as it is filled is read from nowhere else, and one that never grows is let go', () => {
  const fresh = createFreshHashes()
  for (const first of [0, 300, 600]) fresh.put(1, first, hashesOf(1, first, first + 300))
  expect(fresh.take(1, 0, 500)).toEqual(hashesOf(1, 0, 500))
  expect(fresh.take(1, 500, 900)).toEqual(hashesOf(1, 500, 900))
  for (let first = 0; first < 200_000; first += 1000) fresh.put(2, first, Buffer.alloc(32_000))
  expect(fresh.take(2, 0, 1)).toBeUndefined()
})
