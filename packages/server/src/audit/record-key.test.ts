import { newId } from '@valetkey/sdk/core'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { keyOf } from './record-key.ts'

const id = fc.integer({ min: 0, max: Date.UTC(5000, 0) }).map(at => ({ at, id: newId('decision', at) }))

test('keys tell their time, sort as their ids do, and differ where their ids do', () => {
  fc.assert(
    fc.property(id, id, (a, b) => {
      expect(keyOf(a.id).at).toBe(a.at)
      const order = a.id < b.id ? -1 : a.id > b.id ? 1 : 0
      expect(Buffer.compare(keyOf(a.id).bytes, keyOf(b.id).bytes)).toBe(order)
    }),
    { numRuns: 500 },
  )
})

test('ids that are not ours have keys too, without a time and behind all others', () => {
  const others = [
    'dec_00000001',
    'x',
    'dec_'.padEnd(30, 'u'),
    'dec_zzzzzzzzzzzzzzzzzzzzzzzzzz',
    'DEC_01kam3v9w2c8q0r5t7x1y4z6b8',
  ]
  const keys = others.map(keyOf)
  for (const { at, bytes } of keys) {
    expect(at).toBeNull()
    expect(bytes[0]).toBe(0xff)
  }
  expect(new Set(keys.map(({ bytes }) => bytes.toString('hex'))).size).toBe(others.length)
})
