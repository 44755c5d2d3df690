import { cpSync } from 'node:fs'
import { basename } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { openSpool, type Spool } from './index.ts'
import { temporaryDirectory } from './testing/directory.ts'
import { drain, type Line, linesOf } from './testing/drain.ts'
import { faultyFiles } from './testing/faulty-file.ts'
import { forgetfulFiles } from './testing/forgetful-file.ts'

type Step =
  | { do: 'append'; count: number }
  | { do: 'ship'; count: number }
  | { do: 'break'; syncFails: boolean; truncateFails: boolean; free: number }
  | { do: 'repair' }

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('append' as const), count: fc.integer({ min: 1, max: 6 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('ship' as const), count: fc.integer({ min: 1, max: 9 }) }),
  },
  fc.record({
    do: fc.constant('break' as const),
    syncFails: fc.boolean(),
    truncateFails: fc.boolean(),
    free: fc.constantFrom(0, 100, 400, Number.POSITIVE_INFINITY),
  }),
  { weight: 2, arbitrary: fc.record({ do: fc.constant('repair' as const) }) },
)

/** What callers were told of each record. */
interface Told {
  durable: Set<string>
  refused: Set<string>
  shipped: Set<string>
}

async function appendSome(spool: Spool, count: number, told: Told): Promise<void> {
  const next = told.durable.size + told.refused.size
  const appends = Array.from({ length: count }, async (_, index) => {
    const id = `${next + index}`
    await spool.append({ id }).then(
      () => told.durable.add(id),
      () => told.refused.add(id),
    )
  })
  await Promise.all(appends)
}

/** Opens a copy of what is on the disk at this moment, as the next process would find it after a power cut. */
async function linesAfterCrash(dir: string): Promise<Line[]> {
  using copy = temporaryDirectory()
  // Not the lock: opening it here would drop it, as POSIX locks go.
  cpSync(dir, copy.path, { recursive: true, filter: path => basename(path) !== 'lock' })
  const spool = await openSpool({ dir: copy.path, epoch: 2 })
  const lines = await drain(spool)
  await spool.close()
  return lines
}

function expectTruth(lines: Line[], told: Told): void {
  const ids = lines.map(line => line.id)
  const found = new Set(ids)
  expect([...told.durable].filter(id => !told.shipped.has(id) && !found.has(id))).toEqual([])
  const counters = lines.map(line => line.counter)
  expect(counters).toEqual(counters.map((_, index) => (counters[0] ?? 0) + index))
  // A refused record may be found when nothing was written after it; before a durable one it would be a false record.
  const lastDurable = ids.findLastIndex(id => told.durable.has(id))
  expect(ids.slice(0, lastDurable + 1).filter(id => told.refused.has(id))).toEqual([])
}

test('whatever the disk does, a crash at any moment leaves every acknowledged record, and no hole in the counters', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 12 }), async steps => {
      using dir = temporaryDirectory()
      const { files, faults } = faultyFiles(forgetfulFiles())
      const spool = await openSpool({ dir: dir.path, epoch: 1, file: files, segmentBytes: 400 })
      const told: Told = { durable: new Set(), refused: new Set(), shipped: new Set() }
      for (const now of steps) {
        if (now.do === 'append') await appendSome(spool, now.count, told)
        if (now.do === 'break') Object.assign(faults, now)
        if (now.do === 'repair') Object.assign(faults, { syncFails: false, truncateFails: false, free: 1e9 })
        if (now.do === 'ship') {
          const batch = await spool.read({ maxRecords: now.count, maxBytes: 300 })
          await batch?.done()
          if (batch) for (const { id } of linesOf(batch)) told.shipped.add(id)
        }
        expectTruth(await linesAfterCrash(dir.path), told)
      }
      await spool.close()
    }),
    { numRuns: 40 },
  )
}, 120_000)
