import { expect, test } from 'vitest'
import { startFixture } from './fixture/index.ts'
import { findDifferences, type Outcome, type Outcomes, runSuite } from './suite.ts'

test('a server that is not there fails every required scenario: nothing passes by not running', async () => {
  const fixture = await startFixture()
  await fixture.close()
  const { complaints, outcomes } = await runSuite(fixture.url, '2025-11-25')
  const failed = new Set(complaints.map(line => line.split(' / ')[0]))
  expect(failed.size).toBe(30)
  expect(outcomes.get('ping')?.get('ping')).toBe('FAILURE')
})

test('differences name each check id that changed, went missing or is new', () => {
  const expected = outcomesOf({ ping: 'SUCCESS', listed: 'INFO', gone: 'SUCCESS' })
  const actual = outcomesOf({ ping: 'FAILURE', listed: 'INFO', fresh: 'WARNING' })
  expect(findDifferences(expected, expected)).toEqual([])
  expect(findDifferences(expected, actual)).toEqual([
    'scenario / ping: SUCCESS, now FAILURE',
    'scenario / gone: SUCCESS, now absent',
    'scenario / fresh: absent, now WARNING',
  ])
})

function outcomesOf(checks: Record<string, Outcome>): Outcomes {
  return new Map([['scenario', new Map(Object.entries(checks))]])
}
