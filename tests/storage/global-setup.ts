import type { TestProject } from 'vitest/node'
import { startPostgres } from './postgres-server.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** Of the PostgreSQL that runs beside the tests of `world`. */
    postgresUrl: string
  }
}

/** One PostgreSQL for all files of a run; each takes fresh databases in it. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const server = await startPostgres()
  project.provide('postgresUrl', server.url)
  return () => server.close()
}
