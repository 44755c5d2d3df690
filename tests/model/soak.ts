import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import fc from 'fast-check'
import { openStore } from '../../packages/server/src/store/index.ts'
import { runsOf } from './arbitrary.ts'
import { type Outcome, play, type Run } from './run.ts'
import { playOn } from './store-run.ts'

/**
 * `npm run soak -- --minutes 10` runs the model for as long as that: mostly specification and index, and after each
 * thousand of runs some through the directory on SQLite. A run that fails is made as small as it can be and kept in
 * `seeds.json`, which `npm test` replays for ever after. `--seed` repeats what a seed did.
 */
const SEEDS = join(import.meta.dirname, 'seeds.json')
const RUNS_AT_ONCE = 50
const STORE_RUNS = 2
const ROUNDS_TO_STORE = 20

const { values } = parseArgs({ options: { minutes: { type: 'string' }, seed: { type: 'string' } } })
const minutes = Number(values.minutes ?? '10')
if (!(minutes > 0)) throw new Error('Say how long: npm run soak -- --minutes 10')
const end = Date.now() + minutes * 60_000
let seed = Number(values.seed ?? Date.now() % 2 ** 31)
let steps = 0

function playIndex(run: Run): string[] {
  return count(attempt(() => play(run)))
}

async function playSqlite(run: Run): Promise<string[]> {
  const store = await openStore({ url: 'sqlite::memory:', masterKey: new Uint8Array(32).fill(7) })
  try {
    return count(await playOn(store, run).catch(broken))
  } finally {
    await store.close()
  }
}

function count({ performed, differences }: Outcome): string[] {
  steps += performed
  return differences
}

function attempt(work: () => Outcome): Outcome {
  try {
    return work()
  } catch (error) {
    return broken(error)
  }
}

const broken = (error: unknown): Outcome => ({ differences: [`it broke: ${error}`], performed: 0 })

/** Keeps the smallest run that fails, once. */
function keep(run: Run, differences: readonly string[]): void {
  const seeds = JSON.parse(readFileSync(SEEDS, 'utf8')) as Run[]
  const smallest = { schema: [...run.schema], steps: run.steps.map(numbers => [...numbers]) }
  if (!seeds.some(one => JSON.stringify(one) === JSON.stringify(smallest)))
    writeFileSync(SEEDS, `${JSON.stringify([...seeds, smallest], null, 0)}\n`)
  console.log(differences.join('\n'))
  console.log(`kept in ${SEEDS}; seed ${seed}`)
  process.exitCode = 1
}

for (let round = 1; Date.now() < end && process.exitCode !== 1; round++, seed++) {
  const found = fc.check(
    fc.property(runsOf({ least: 1, most: 250 }), run => playIndex(run).length === 0),
    { numRuns: RUNS_AT_ONCE, seed },
  )
  const [run] = found.counterexample ?? []
  if (run) keep(run, playIndex(run))
  if (round % ROUNDS_TO_STORE === 0 && !run) {
    const onStore = await fc.check(
      fc.asyncProperty(runsOf({ least: 1, most: 100 }), async one => (await playSqlite(one)).length === 0),
      { numRuns: STORE_RUNS, seed },
    )
    const [failing] = onStore.counterexample ?? []
    if (failing) keep(failing, await playSqlite(failing))
    console.log(`${steps.toLocaleString('en')} steps, seed ${seed}`)
  }
}
console.log(
  `${steps.toLocaleString('en')} steps, ${process.exitCode === 1 ? 'one run failed' : '0 differences'}`,
)
