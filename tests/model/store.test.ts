import fc from 'fast-check'
import { expect, test } from 'vitest'
import { openStore } from '../../packages/server/src/store/index.ts'
import { freshDatabase, MASTER_KEY } from '../storage/databases.ts'
import { runsOf } from './arbitrary.ts'
import type { Run } from './run.ts'
import seeds from './seeds.json' with { type: 'json' }
import { playOn } from './store-run.ts'

const PLACES = [
  { kind: 'SQLite', runs: 20, newUrl: async () => 'sqlite::memory:' },
  { kind: 'PostgreSQL', runs: 6, newUrl: () => freshDatabase() },
]

async function playAt(url: string, run: Run) {
  const store = await openStore({ url, masterKey: MASTER_KEY })
  try {
    return await playOn(store, run)
  } finally {
    await store.close()
  }
}

test.each(PLACES)(
  'specification, directory, change log, index and queries on $kind answer the same',
  async ({ runs, newUrl }) => {
    await fc.assert(
      fc.asyncProperty(runsOf({ least: 55, most: 60 }), async run => {
        expect((await playAt(await newUrl(), run)).differences).toEqual([])
      }),
      // Simpler runs that fail as well are found by `npm run soak`, where time is no matter.
      { numRuns: runs, endOnFailure: true },
    )
  },
)

test.each(PLACES)('every run that ever failed passes on $kind', async ({ newUrl }) => {
  for (const run of seeds as Run[])
    expect((await playAt(await newUrl(), run)).differences, JSON.stringify(run)).toEqual([])
})
