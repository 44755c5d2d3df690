import { readFileSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

/**
 * Loads the engine with one source replaced and runs the tests of it until one fails: leaves with 1 where one does,
 * with 2 where the mutant is no program at all, with 0 where nobody notices.
 */
const [file = '', mutated = '', ...tests] = process.argv.slice(2)
const replaced = pathToFileURL(resolve(file)).href
const bench = pathToFileURL(resolve(import.meta.dirname, 'mutant-bench.ts')).href

registerHooks({
  resolve: (specifier, context, next) =>
    specifier === 'vitest' ? { url: bench, shortCircuit: true } : next(specifier, context),
  load(url, context, next) {
    const loaded = next(url, context)
    return url === replaced ? { ...loaded, source: readFileSync(mutated, 'utf8') } : loaded
  },
})

const { runTests } = (await import(bench)) as typeof import('./mutant-bench.ts')
try {
  await import(replaced)
} catch {
  process.exit(2)
}
try {
  for (const path of tests) {
    await import(pathToFileURL(resolve(path)).href)
    await runTests()
  }
} catch (error) {
  console.log(String(error).split('\n', 3).join(' ').slice(0, 200))
  process.exit(1)
}
