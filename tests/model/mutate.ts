import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type Mutant, mutantsOf } from './mutants.ts'

/**
 * `npm run mutate` makes every small mistake of a table in the hot path, one at a time, and sees whether the tests of
 * the engine notice. What they do not notice has to be explained in `survivors.md`, or it fails. `-- --file tree.ts`
 * takes one file only.
 */
const root = join(import.meta.dirname, '../..')
const ENGINE = 'packages/sdk/src/engine'
/** The index, and the walk over it: what is mutated, and which tests have to notice, the quickest first. */
const PARTS = [
  {
    files: ['groups.ts', 'holdings.ts', 'access.ts', 'tree.ts'],
    tests: [
      `${ENGINE}/tree.test.ts`,
      `${ENGINE}/access.test.ts`,
      'tests/model/short-model.ts',
      'tests/model/laws.test.ts',
      'tests/model/on-behalf.test.ts',
      'tests/model/isolation.test.ts',
    ],
  },
  {
    files: ['decide.ts', 'legs.ts', 'chain.ts'],
    tests: [
      `${ENGINE}/walk.test.ts`,
      `${ENGINE}/decide.test.ts`,
      `${ENGINE}/resources.test.ts`,
      `${ENGINE}/caller.test.ts`,
      `${ENGINE}/properties.test.ts`,
      'tests/model/on-behalf.test.ts',
      'tests/model/chain.test.ts',
    ],
  },
]
/** Whoever takes so much goes round in circles, which does not go unnoticed either. All tests take about 8 s. */
const MOST = { cpuSeconds: 40, megabytes: 800, milliseconds: 300_000 }
const { values } = parseArgs({ options: { file: { type: 'string' } } })
const directory = mkdtempSync(join(tmpdir(), 'valetkey-mutants-'))

type Fate = 'killed' | 'survived' | 'no program'

async function tryOut(mutant: Mutant, place: number): Promise<Fate> {
  const source = join(directory, `${place}.ts`)
  writeFileSync(source, mutant.source)
  const program = join(import.meta.dirname, 'mutant-process.ts')
  const tests = PARTS.find(({ files }) => files.some(file => mutant.file.endsWith(`/${file}`)))?.tests ?? []
  const child = spawn(process.execPath, [program, mutant.file, source, ...tests], {
    cwd: root,
    stdio: 'ignore',
  })
  const began = Date.now()
  const timer = setInterval(() => {
    if (takesTooMuch(child.pid ?? 0) || Date.now() - began > MOST.milliseconds) child.kill('SIGKILL')
  }, 500)
  const [code] = (await once(child, 'exit')) as [number | null]
  clearInterval(timer)
  rmSync(source)
  return code === 0 ? 'survived' : code === 2 ? 'no program' : 'killed'
}

/** By what Linux tells of it, so that a busy machine kills no mutant; elsewhere only time counts. */
function takesTooMuch(pid: number): boolean {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
    const [ticks, pages] = [Number(fields[11]) + Number(fields[12]), Number(fields[21])]
    return ticks / 100 > MOST.cpuSeconds || (pages * 4096) / 2 ** 20 > MOST.megabytes
  } catch {
    return false
  }
}

/** As it stands in `survivors.md`: without the line's number, which moves. */
const nameOf = ({ file, operator, before, after }: Mutant) =>
  `${file.slice(ENGINE.length + 1)}: \`${before}\` → \`${after}\` (${operator})`

const files = PARTS.flatMap(part => part.files).filter(
  file => values.file === undefined || values.file === file,
)
const mutants = files.flatMap(file =>
  mutantsOf(`${ENGINE}/${file}`, readFileSync(join(root, ENGINE, file), 'utf8')),
)
const explained = readFileSync(join(import.meta.dirname, 'survivors.md'), 'utf8')
const counts: Record<Fate, number> = { killed: 0, survived: 0, 'no program': 0 }
const unexplained: Mutant[] = []
let next = 0

async function work(): Promise<void> {
  for (let place = next++; place < mutants.length; place = next++) {
    const mutant = mutants[place]
    if (!mutant) return
    const fate = await tryOut(mutant, place)
    counts[fate]++
    if (fate !== 'survived') continue
    const isExplained = explained.includes(nameOf(mutant))
    if (!isExplained) unexplained.push(mutant)
    console.log(`${isExplained ? 'explained' : 'SURVIVED '} ${mutant.line} ${nameOf(mutant)}`)
  }
}

await Promise.all(Array.from({ length: availableParallelism() }, work))
rmSync(directory, { recursive: true })
const { killed, survived } = counts
console.log(`${mutants.length - counts['no program']} mutants, ${killed} killed, ${survived} survived`)
console.log(`${unexplained.length} of them unexplained; ${counts['no program']} were no programs`)
if (unexplained.length > 0) process.exitCode = 1
