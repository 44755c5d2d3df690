import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Fixture, startFixture } from './fixture/index.ts'
import { type Injector, startInjector } from './injector.ts'
import { findDifferences, REVISIONS, runSuite } from './suite.ts'

let fixture: Fixture
let injector: Injector

beforeAll(async () => {
  fixture = await startFixture()
  injector = await startInjector(fixture.url, async () => 'not-looked-at')
})

afterAll(async () => {
  await injector.close()
  await fixture.close()
})

test.concurrent.each(REVISIONS)(
  '%s: every required scenario passes against the fixture, and a hop in between changes nothing',
  async revision => {
    const direct = await runSuite(fixture.url, revision)
    expect(direct.complaints).toEqual([])
    const behindInjector = await runSuite(injector.url, revision)
    expect(findDifferences(direct.outcomes, behindInjector.outcomes)).toEqual([])
  },
)
