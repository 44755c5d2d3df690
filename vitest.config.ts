import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'
import { TallyReporter } from './tests/tally-reporter.ts'

// As `valetkey` itself does: without it every thread and process loads Node's TypeScript compiler for itself.
process.env['NODE_COMPILE_CACHE'] ??= fileURLToPath(new URL('node_modules/.cache/compiled', import.meta.url))

/**
 * `fast` is what `npm run check` runs; `model` takes the index through thousands of random steps; `world` needs real
 * databases, sockets and other people's programs.
 */
export default defineConfig({
  test: {
    // One more than the cores of a small machine: many tests wait for leases, sockets and processes of their own.
    maxWorkers: 3,
    expect: { poll: { timeout: 15_000 } },
    reporters: ['default', new TallyReporter()],
    projects: [
      {
        test: {
          name: 'fast',
          include: ['packages/*/src/**/*.test.ts', 'tests/{architecture,integration}/**/*.test.ts'],
          testTimeout: 30_000,
          hookTimeout: 30_000,
        },
      },
      {
        test: {
          name: 'model',
          include: ['tests/model/*.test.ts'],
          exclude: ['tests/model/store.test.ts'],
          testTimeout: 300_000,
        },
      },
      {
        test: {
          name: 'world',
          include: ['tests/{storage,conformance,e2e}/**/*.test.ts', 'tests/model/store.test.ts'],
          globalSetup: ['tests/storage/global-setup.ts'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
})
