import { expect, test } from 'vitest'
import { writeLegs } from './legs.ts'

test('a walk that ended well names every leg as passed', () => {
  expect(writeLegs(null)).toBe('state+ tool+ arguments+ scope+ resource+ chain+ agent+ person+ condition+')
})

test('one that failed names what was walked with how it ended, and no leg after it', () => {
  expect(writeLegs('state')).toBe('state-')
  expect(writeLegs('scope')).toBe('state+ tool+ arguments+ scope-')
})
