import fc from 'fast-check'
import { expect, test } from 'vitest'
import { runsOf } from './arbitrary.ts'
import { play, type Run } from './run.ts'
import seeds from './seeds.json' with { type: 'json' }

const RUNS = 210
const STEPS = { least: 140, most: 150 }

test('index and specification answer the same after each of at least 20,000 steps', () => {
  let performed = 0
  fc.assert(
    fc.property(runsOf(STEPS), run => {
      const outcome = play(run)
      performed += outcome.performed
      expect(outcome.differences).toEqual([])
    }),
    { numRuns: RUNS },
  )
  expect(performed).toBeGreaterThan(20_000)
})

test('every run that ever failed passes', () => {
  for (const run of seeds as Run[]) expect(play(run).differences, JSON.stringify(run)).toEqual([])
})
