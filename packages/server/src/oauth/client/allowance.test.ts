import { expect, test } from 'vitest'
import { createAllowance, networkOf } from './allowance.ts'

test('so many are allowed within a time, for each address by itself', () => {
  let now = 0
  const allows = createAllowance({ most: 2, windowMs: 1000, now: () => now })
  expect([allows('1.1.1.1'), allows('1.1.1.1'), allows('1.1.1.1'), allows('2.2.2.2')]).toEqual([
    ...[true, true, false, true],
  ])
  now = 1000
  expect(allows('1.1.1.1')).toBe(true)
})

test('a network of IPv6 is one address', () => {
  const allows = createAllowance({ most: 1, windowMs: 1000, now: () => 0 })
  expect([allows('2001:db8:1:2::1'), allows('2001:db8:1:2:ffff::9'), allows('2001:db8:1:3::1')]).toEqual([
    ...[true, false, true],
  ])
})

test('what is remembered of addresses is bounded', () => {
  const allows = createAllowance({ most: 1, windowMs: 1000, now: () => 0 })
  for (let i = 0; i < 10_001; i++) allows(`10.0.${i >> 8}.${i & 255}`)
  expect(allows('10.0.0.0')).toBe(true)
})

test.each([
  ['127.0.0.1', '127.0.0.1'],
  ['::ffff:10.1.2.3', '10.1.2.3'],
  ['::1', '0:0:0:0'],
  ['2001:DB8::1', '2001:db8:0:0'],
  ['2001:0db8:0000:0001:1:2:3:4', '2001:db8:0:1'],
  ['fe80::1:2:3:4', 'fe80:0:0:0'],
])('%s counts as %s', (address, network) => {
  expect(networkOf(address)).toBe(network)
})
