import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readChallenges } from './challenge.ts'

const read = (text: string) => readChallenges(new Headers({ 'www-authenticate': text }))

test('two schemes with parameters, quoted, escaped and bare', () => {
  const both = read(
    'Bearer error="invalid_token", error_description="say \\"no\\", then", DPoP algs="ES256", error=use_dpop_nonce',
  )
  expect(both).toMatchObject([
    { scheme: 'bearer', error: 'invalid_token', description: 'say "no", then' },
    { scheme: 'dpop', error: 'use_dpop_nonce', description: undefined },
  ])
})

test('the first of a parameter that comes twice counts', () => {
  expect(read('Bearer scope="a", scope="b"')).toMatchObject([{ scope: 'a' }])
})

test('other schemes, bare ones and none', () => {
  expect(read('Basic realm="x", Negotiate, Bearer')).toMatchObject([{ scheme: 'bearer', error: undefined }])
  expect(readChallenges(new Headers())).toEqual([])
})

test('whatever a server sends is read to its end, quickly', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 400 }), text => {
      const clean = text.replace(/[^\x20-\x7e]/g, '')
      expect(Array.isArray(read(clean))).toBe(true)
    }),
  )
  const started = performance.now()
  read(`Bearer ${'a="\\'.repeat(20_000)}`)
  expect(performance.now() - started).toBeLessThan(1_000)
})
