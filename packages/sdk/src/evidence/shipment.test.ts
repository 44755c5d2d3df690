import { createHmac, generateKeyPairSync } from 'node:crypto'
import { AttemptRecord, canonicalJson, type JsonObject, joinRecord, partRecord } from '@valetkey/sdk/core'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { attempt } from '../../../../tests/storage/audit-samples.ts'
import { toShipments } from '../../../../tests/storage/shipping.ts'
import { commitTo, newCommitmentKey } from './commitment.ts'
import { checkShipment, LONGEST_LEAF } from './shipment.ts'

test('a commitment is the HMAC-SHA256 that others compute, under keys that never come twice', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), text => {
      const key = newCommitmentKey()
      const expected = createHmac('sha256', Buffer.from(key, 'base64url')).update(text).digest('base64url')
      expect(commitTo(text, key)).toBe(expected)
    }),
  )
  const keys = Array.from({ length: 2_000 }, newCommitmentKey)
  expect(new Set(keys).size).toBe(keys.length)
  expect(() => commitTo('x', 'short')).toThrow(RangeError)
})

test.each(['ec', 'ed25519'] as const)(
  'a shipment under a key of kind %s holds, and no other key’s does',
  kind => {
    const pair = () =>
      kind === 'ec' ? generateKeyPairSync('ec', { namedCurve: 'P-256' }) : generateKeyPairSync('ed25519')
    const { privateKey, publicKey } = pair()
    const [shipment] = toShipments('pnt_1', privateKey, [attempt(3), attempt(5), attempt(9)])
    if (!shipment) throw new Error('there is a shipment')
    const from = { point: 'pnt_1', epoch: 1 }
    expect(checkShipment(shipment, { ...from, key: publicKey }).terms).toMatchObject({
      first: 3,
      last: 9,
      count: 3,
    })
    expect(() => checkShipment(shipment, { ...from, key: pair().publicKey })).toThrow(
      'is not signed by the key',
    )
  },
)

test('nothing of arguments or of free text is in the leaf, and joined again the record is as it was', () => {
  const secret = 'jane@example.com'
  const record = attempt(1, {
    arguments: { to: secret, nested: { deep: [secret] } },
    detail: `no ${secret} here`,
  })
  const { leaf, data } = partRecord(record)
  expect(canonicalJson(leaf)).not.toContain(secret)
  expect(AttemptRecord.parse(joinRecord({ leaf, data }))).toEqual(record)
  // What is erased leaves no trace but that there was something.
  expect(AttemptRecord.parse(joinRecord({ leaf, data: null }))).toEqual({
    ...record,
    arguments: null,
    detail: null,
  })
})

test('a leaf fits into a tile, whatever its record says', () => {
  const long = fc.string({ unit: fc.constantFrom('a', 'é', '\u0000', '😀', '"'), maxLength: 20_000 })
  const many = fc.array(long, { maxLength: 100 })
  fc.assert(
    fc.property(long, long, long, many, (tool, resource, method, otherResources) => {
      const record = attempt(1, { tool, resource, method, otherResources })
      const { leaf, data } = partRecord(record)
      expect(Buffer.byteLength(canonicalJson(leaf))).toBeLessThan(LONGEST_LEAF)
      expect(joinRecord({ leaf, data })).toMatchObject({ tool, resource, method, otherResources })
    }),
    { numRuns: 50 },
  )
})

test('what lies beside a leaf can complete it, and never contradict what it says or who it is', () => {
  const { leaf } = partRecord(attempt(1, { organization: null }))
  const data: JsonObject = { tool: 'wipe', id: 'dec_other', organization: 'org_victim', arguments: { a: 1 } }
  expect(joinRecord({ leaf, data })).toEqual({ ...leaf, arguments: { a: 1 } })
})

test('the number of a record sorts behind all else that a record can hold, so that it can be put in last', () => {
  const { writer: _writer, ...members } = AttemptRecord.shape
  expect(Object.keys(members).filter(key => key >= 'writer')).toEqual([])
})
