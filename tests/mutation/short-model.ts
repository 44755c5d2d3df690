import fc from 'fast-check'
import { expect, test } from 'vitest'
import { runsOf } from '../model/arbitrary.ts'
import { play } from '../model/run.ts'

/** A short model test on the same runs every time: for which `npm run mutate` has the time. */
test('index and specification answer the same on fifteen runs', () => {
  fc.assert(
    fc.property(runsOf({ least: 90, most: 100 }), run => {
      expect(play(run).differences).toEqual([])
    }),
    { numRuns: 15, seed: 11, endOnFailure: true },
  )
})
