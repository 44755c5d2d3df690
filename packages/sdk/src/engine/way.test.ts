import fc from 'fast-check'
import { expect, test } from 'vitest'
import { CATALOGUE, type CatalogueOp, forwardId } from '../core/index.ts'
import type { Caller } from './index.ts'
import { said, world } from './testing/delegation.ts'

/** A call comes from server to server: by a rule for each step, and by a key of the one that takes it. */
const SERVERS = ['srv_3', 'srv_2', 'srv_1']

const rule = (from: string, to: string): CatalogueOp => {
  const value = { from, to }
  return { fact: 'forward', id: forwardId(value), value }
}
const key = (id: string, server: string): CatalogueOp => ({ fact: 'server_key', id, value: { id, server } })
const gone = ({ fact, id }: CatalogueOp) => ({ fact, id, value: null }) as CatalogueOp

const WAY = [rule('srv_3', 'srv_2'), rule('srv_2', 'srv_1'), key('sky_3', 'srv_3'), key('sky_2', 'srv_2')]
const hop = (n: number, more = {}) => ({
  ...{ server: `srv_${n}`, key: `sky_${n}`, token: `jti_of_${n}` },
  ...more,
})
const HOPS = [hop(3), hop(2)]

function stand(...later: CatalogueOp[]) {
  const snapshot = world()
  snapshot.apply({ organization: CATALOGUE, revision: 2, ops: WAY })
  if (later.length > 0) snapshot.apply({ organization: CATALOGUE, revision: 3, ops: later })
  return snapshot
}
const of = (forwarded: NonNullable<Caller['forwarded']>) => ({ forwarded })

const GOOD = ['permitted', null]
const KEY = ['revoked', 'the key of a server that handed the call on']

test('a call that was handed on twice, by rules and keys that are there, is heard', () => {
  expect(said(stand(), of(HOPS))).toEqual(said(world()))
  expect(said(stand(), of(HOPS))[0]).toBe(GOOD[0])
})

test('each key counts for its server alone, and only while it is there', () => {
  for (const n of [3, 2]) expect(said(stand(gone(key(`sky_${n}`, `srv_${n}`))), of(HOPS))).toEqual(KEY)
  expect(said(stand(), of([hop(3, { key: 'sky_2' }), hop(2)]))).toEqual(KEY)
  expect(said(stand(), of([hop(3), hop(2, { key: 'sky_unknown' })]))).toEqual(KEY)
})

test('a key that goes ends what was permitted a moment ago, and one that comes back under another server brings nothing back', () => {
  const snapshot = stand()
  const caller = of(HOPS)
  expect(said(snapshot, caller)[0]).toBe(GOOD[0])
  snapshot.apply({ organization: CATALOGUE, revision: 3, ops: [gone(key('sky_2', 'srv_2'))] })
  expect(said(snapshot, caller)).toEqual(KEY)
  snapshot.apply({ organization: CATALOGUE, revision: 4, ops: [key('sky_2', 'srv_3')] })
  expect(said(snapshot, caller)).toEqual(KEY)
})

test('without the rule of any step it is refused, whatever the keys', () => {
  for (const [from = '', to = ''] of [SERVERS.slice(0, 2), SERVERS.slice(1)])
    expect(said(stand(gone(rule(from, to))), of(HOPS))).toEqual([
      'revoked',
      'that one server may call the other',
    ])
})

test('whatever is taken away, in whatever order: it is heard exactly while all of its way is there', () => {
  fc.assert(
    fc.property(fc.shuffledSubarray(WAY), taken => {
      const snapshot = stand()
      let revision = 2
      const apply = (op: CatalogueOp) =>
        snapshot.apply({ organization: CATALOGUE, revision: ++revision, ops: [op] })
      for (const op of taken) apply(gone(op))
      expect(said(snapshot, of(HOPS))[0]).toBe(taken.length === 0 ? GOOD[0] : 'revoked')
      expect(said(snapshot)[0]).toBe(GOOD[0])
      for (const op of taken) apply(op)
      expect(said(snapshot, of(HOPS))[0]).toBe(GOOD[0])
    }),
  )
})
