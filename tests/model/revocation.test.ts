import { expect, test } from 'vitest'
import { explore } from './revocation/explore.ts'
import { PROTOCOL, type Rules } from './revocation/point.ts'

/**
 * The way of a revocation to enforcement points, as a model that is walked through whole: the authority, the feed, and
 * points that crash, start anew, are cut off, hear late or never, at any moment and in any order. A revision is 0 before
 * the revocation and 1 after it; nothing that was decided on 0 may be let through once the barrier has returned.
 */
const walks: [name: string, points: number, rules: Pick<Rules, 'leaseTicks' | 'detail'>, states: number][] = [
  ['three points', 3, { leaseTicks: 1, detail: 'starts' }, 2_500_000],
  ['two points with a lease of two ticks', 2, { leaseTicks: 2, detail: 'starts' }, 300_000],
  [
    'one point in every detail, with an earlier start that goes on',
    1,
    { leaseTicks: 2, detail: 'all' },
    40_000,
  ],
]

test.each(walks)('nothing old is let through after a barrier: %s', (_, points, rules, atLeast) => {
  const { states, trace } = explore(points, { ...PROTOCOL, ...rules })
  expect(trace).toBeNull()
  expect(states).toBeGreaterThan(atLeast)
})

const RULES = Object.keys(PROTOCOL) as (keyof typeof PROTOCOL)[]

test.each(RULES)('without the rule "%s" something is', rule => {
  const rules = { ...PROTOCOL, leaseTicks: 1, [rule]: false }
  const { trace } = explore(1, { ...rules, detail: 'all' })
  expect(trace?.at(-1)).toMatch(/lets the call pass$/)
  expect(trace).toContain('the barrier returns')
})

test('with the lease removed, three points let an old call through in five steps', () => {
  const { trace } = explore(3, { ...PROTOCOL, needsLease: false, leaseTicks: 1, detail: 'starts' })
  expect(trace).toEqual([
    'point 1 decides a call',
    'a tick goes by',
    'the revocation is committed',
    'the barrier returns',
    'point 1 lets the call pass',
  ])
})
