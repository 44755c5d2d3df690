import { startChild } from './child.ts'
import type { Result } from './main.ts'
import type { CheckFigures } from './programs/check.ts'

const SIZES = { '10k': 10_000, '100k': 100_000, '1m': 1_000_000 }

/** What it costs to ask whether somebody may do something on a resource, by names, and whether the answers are right. */
export async function run(): Promise<Result> {
  const of: Record<string, CheckFigures> = {}
  for (const [size, resources] of Object.entries(SIZES)) {
    // In a process of its own each, so that none finds the heap of another.
    const child = await startChild<CheckFigures>('check', { resources })
    of[size] = child.ready
    await child.stop()
  }
  const { '10k': small, '100k': middle, '1m': large } = of
  if (!small || !middle || !large) throw new Error('unreachable: every size was measured')
  return {
    figures: {
      p50_us_100k: middle.p50,
      p99_us_100k: middle.p99,
      p50_us_1m: large.p50,
      wrong: small.wrong + middle.wrong + large.wrong,
    },
    stages: {
      p50_us_10k: small.p50,
      p99_us_10k: small.p99,
      p99_us_1m: large.p99,
      clock_us: middle.clock,
      p50_us_100k_on_workspaces: middle.byType.workspace,
      p50_us_100k_on_projects: middle.byType.project,
      p50_us_100k_on_documents: middle.byType.document,
      permitted_share: middle.permitted,
      asked: small.asked + middle.asked + large.asked,
      includes: 'finding person, type and resource by names just parsed, and the clock; each is asked once',
    },
  }
}
