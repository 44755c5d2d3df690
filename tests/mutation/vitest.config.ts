import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

const UNIT = 'packages/sdk/src/engine'
const MODEL = ['tests/model/{laws,replay,on-behalf,chain}.test.ts', 'tests/mutation/short-model.ts']

/** What is quick comes first: most mutants go no further. */
class UnitTestsFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification) => (moduleId.includes(`/${UNIT}/`) ? 0 : 1)
    return files.toSorted((a, b) => rank(a) - rank(b) || a.moduleId.localeCompare(b.moduleId))
  }
}

/** The tests of the engine that `npm run mutate` runs against every mutant. */
export default defineConfig({
  test: {
    include: [`${UNIT}/*.test.ts`, ...MODEL],
    setupFiles: ['tests/mutation/setup.ts'],
    sequence: { sequencer: UnitTestsFirst },
    // The modules are loaded once for all files, which is most of what a mutant costs.
    isolate: false,
    // What hangs is stopped by Stryker; a machine that is busy with other things is not.
    testTimeout: 900_000,
  },
})
