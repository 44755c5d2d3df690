import { readFileSync } from 'node:fs'
import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** What is quick comes first, and what tries many cases last: most mutants go no further than the first. */
class QuickFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification) =>
      Number(readFileSync(moduleId, 'utf8').includes('fast-check'))
    return files.toSorted((a, b) => rank(a) - rank(b) || a.moduleId.localeCompare(b.moduleId))
  }
}

/** The tests of the engine that `npm run mutate` runs against every mutant: those beside it, which have to do alone. */
export default defineConfig({
  test: {
    include: ['packages/sdk/src/engine/*.test.ts'],
    setupFiles: ['tests/mutation/setup.ts'],
    sequence: { sequencer: QuickFirst },
    // The modules are loaded once for all files, which is most of what a mutant costs.
    isolate: false,
    // What hangs is stopped by Stryker; a machine that is busy with other things is not.
    testTimeout: 900_000,
  },
})
