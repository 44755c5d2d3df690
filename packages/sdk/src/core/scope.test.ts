import fc from 'fast-check'
import { expect, test } from 'vitest'
import { anyCovers, covers, intersectScopes } from './scope.ts'

const word = fc.constantFrom('a', 'b', 'ab')
const permission = fc.tuple(word, word).map(([family, verb]) => `${family}:${verb}`)
const scope = fc.oneof(
  permission,
  word.map(family => `${family}:*`),
)
const scopes = fc.array(scope, { maxLength: 6 })

test('a family covers its permissions, and nothing that only looks alike', () => {
  expect(covers('invoices:*', 'invoices:read')).toBe(true)
  expect(covers('invoices:read', 'invoices:read')).toBe(true)
  expect(covers('invoices:read', 'invoices:*')).toBe(false)
  for (const near of ['invoice:read', 'invoicesx:read', 'xinvoices:read', 'invoices', 'invoices:'])
    expect(covers('invoices:*', near), near).toBe(near === 'invoices:')
  expect(covers('*', 'invoices:read')).toBe(false)
})

test('an intersection carries a permission exactly where both sides do: never more, never less', () => {
  fc.assert(
    fc.property(scopes, scopes, permission, (left, right, wanted) => {
      const both = anyCovers(left, wanted) && anyCovers(right, wanted)
      expect(anyCovers(intersectScopes(left, right), wanted)).toBe(both)
    }),
  )
})

test('order does not matter, and a second time changes nothing', () => {
  fc.assert(
    fc.property(scopes, scopes, (left, right) => {
      const both = intersectScopes(left, right)
      expect(intersectScopes(right, left)).toEqual(both)
      expect(intersectScopes(both, left)).toEqual(both)
    }),
  )
})
