import { expect, test } from 'vitest'
import { barrierSentence } from './barrier.ts'

const point = (outcome: 'confirmed' | 'lease_ended' | 'waiting') => ({
  id: 'pnt_1',
  kind: 'guard',
  outcome,
  ms: 12,
})
const barrier = (...outcomes: ('confirmed' | 'lease_ended' | 'waiting')[]) => ({
  revision: 7,
  organization: 'org_1',
  complete: !outcomes.includes('waiting'),
  elapsedMs: 41.4,
  points: outcomes.map(point),
})

test('a revocation says how many enforcement points have confirmed, and what the others may still do', () => {
  expect(barrierSentence(barrier('confirmed', 'confirmed', 'confirmed'))).toBe(
    '3 of 3 enforcement points confirmed in 41 ms',
  )
  expect(barrierSentence(barrier('confirmed', 'lease_ended'))).toBe(
    '1 of 2 enforcement points confirmed in 41 ms, 1 stopped deciding as its lease ended',
  )
  expect(barrierSentence(barrier('confirmed', 'waiting'))).toBe(
    '1 of 2 enforcement points confirmed in 41 ms; the others may still decide until their leases end.',
  )
  expect(barrierSentence(barrier())).toMatch(/^No enforcement point is running/)
})
