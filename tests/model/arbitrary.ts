import fc from 'fast-check'
import { NUMBERS_A_STEP } from './choose.ts'
import type { Run } from './run.ts'

const die = fc.nat(719)
const step = fc.array(die, { minLength: NUMBERS_A_STEP, maxLength: NUMBERS_A_STEP, size: 'max' })

/** Runs of so many steps, or of fewer where that suffices to fail. */
export function runsOf(steps: { least: number; most: number }): fc.Arbitrary<Run> {
  return fc.record({
    schema: fc.array(die, { minLength: 40, maxLength: 40, size: 'max' }),
    steps: fc.array(step, { minLength: steps.least, maxLength: steps.most, size: 'max' }),
  })
}
