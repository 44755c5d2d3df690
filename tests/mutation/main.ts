import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { basename, join } from 'node:path'
import { parseArgs } from 'node:util'
import { Stryker } from '@stryker-mutator/core'

/**
 * `npm run mutate` lets Stryker make every small mistake in the hot path, one at a time, and sees whether the tests of
 * the engine notice. What they do not notice has to be explained in `survivors.md`, or it fails; so does an explanation
 * of what they notice. `-- --file tree.ts` takes one file only.
 */
const ENGINE = 'packages/sdk/src/engine'
/** The index, and the walk over it. */
const HOT_PATH = [
  ...['groups.ts', 'holdings.ts', 'tree.ts', 'organization.ts', 'reach.ts', 'access.ts'],
  ...['chain.ts', 'legs.ts', 'decide.ts'],
]
const { values } = parseArgs({ options: { file: { type: 'string', multiple: true } } })
const files = values.file ?? HOT_PATH

const results = await new Stryker({
  mutate: files.map(file => `${ENGINE}/${file}`),
  testRunner: 'vitest',
  plugins: ['@stryker-mutator/vitest-runner'],
  vitest: { configFile: 'tests/mutation/vitest.config.ts', related: false },
  coverageAnalysis: 'perTest',
  concurrency: availableParallelism(),
  // What is computed while a module is loaded would need a process for each mutant.
  ignoreStatic: true,
  // Stryker stops what goes round too often by counting. Time is for what hangs otherwise, and no busy machine's loss.
  timeoutMS: 300_000,
  dryRunTimeoutMinutes: 60,
  reporters: ['progress-append-only'],
  // Stryker adapts it by an interface that TypeScript 7 does not have; nothing here reads it.
  tsconfigFile: 'none',
  disableTypeChecks: false,
  ignorePatterns: ['docs', 'examples', 'bench', 'packages/server', 'tests/*', '!tests/mutation'],
}).runMutationTest()

type MutantResult = (typeof results)[number]

/** As it stands in `survivors.md`: without the line's number, which moves. */
function nameOf({ fileName, location, replacement, mutatorName }: MutantResult): string {
  const lines = readFileSync(fileName, 'utf8').split('\n')
  const { start, end } = location
  const covered = lines.slice(start.line - 1, end.line)
  covered[covered.length - 1] = covered.at(-1)?.slice(0, end.column - 1) ?? ''
  covered[0] = covered[0]?.slice(start.column - 1) ?? ''
  const inOneLine = (text: string) => text.replace(/\s+/g, ' ').trim()
  const line = inOneLine(lines[start.line - 1] ?? '')
  const mistake = `\`${inOneLine(covered.join('\n'))}\` → \`${inOneLine(replacement ?? '')}\``
  return `${basename(fileName)}: ${mistake} (${mutatorName}) in \`${line}\``
}

const survivors = new Set(
  results.filter(({ status }) => status === 'Survived' || status === 'NoCoverage').map(nameOf),
)
const explained = [
  ...readFileSync(join(import.meta.dirname, 'survivors.md'), 'utf8').matchAll(/^- (.*)$/gm),
].flatMap(([, name = '']) => (files.some(file => name.startsWith(`${file}: `)) ? [name] : []))
const unexplained = [...survivors].filter(name => !explained.includes(name))
const noticed = explained.filter(name => !survivors.has(name))
for (const name of unexplained) console.log(`survived, and is not explained:\n- ${name}`)
for (const name of noticed) console.log(`explained, but noticed by now:\n- ${name}`)
const tried = results.filter(({ status }) => status !== 'Ignored').length
console.log(`${tried} mutants, ${survivors.size} survived, ${unexplained.length} of them unexplained`)
if (unexplained.length + noticed.length > 0) process.exitCode = 1
