import { fill } from './audit-ingest.ts'
import { createRecordMill, DAYS, END, idOf, ORGANIZATIONS, organizationOf } from './evidence/records.ts'
import { type Dialect, openStand, type Stand } from './evidence/stand.ts'
import type { Options, Result } from './main.ts'
import { median, pseudoRandom, quantile } from './measure.ts'

const RECORDS = 10_000_000
const COLD = 5
const WARM = 40
const DAY_MS = 24 * 3_600_000

/** How long "which agent touched this customer's billing data on that day, and who authorized it?" takes, and questions like it. */
export async function run({ records = RECORDS }: Options): Promise<Result> {
  const figures: Result['figures'] = {}
  const stages: Result['stages'] = { records }
  for (const dialect of ['sqlite', 'postgres'] as const) {
    const { cold, warm, others } = await measure(dialect, records)
    figures[`cold_ms_${dialect}`] = median(cold)
    figures[`warm_ms_${dialect}`] = median(warm)
    stages[`cold_most_ms_${dialect}`] = Math.max(...cold)
    stages[`warm_p95_ms_${dialect}`] = quantile(warm, 0.95)
    for (const [name, samples] of Object.entries(others)) stages[`${name}_ms_${dialect}`] = median(samples)
  }
  stages['cold'] =
    'opened anew, no file of it in the page cache; each question once, about another customer and day'
  return { figures, stages }
}

async function measure(dialect: Dialect, records: number) {
  const mill = createRecordMill(records)
  const stand = await openStand(dialect)
  try {
    await fill(stand, mill, records)
    const random = pseudoRandom(5)
    const cold: number[] = []
    for (let i = 0; i < COLD; i++) {
      await stand.reopenCold()
      cold.push(await time(() => stand.audit.who(theQuestion(random))))
    }
    const warm: number[] = []
    for (let i = 0; i < WARM; i++) {
      const ms = await time(() => stand.audit.who(theQuestion(random)))
      if (i >= WARM / 4) warm.push(ms)
    }
    return { cold, warm, others: await measureOthers(stand, random) }
  } finally {
    await stand.close()
  }
}

function theQuestion(random: () => number) {
  const at = END - Math.floor(1 + random() * (DAYS - 2)) * DAY_MS
  const day = new Date(at).toISOString().slice(0, 10)
  const { organization, customer } = aPlace(random)
  return { q: `organization:${organization} resource:customer/${customer} server:srv_billing on:${day}` }
}

function aPlace(random: () => number): { organization: string; number: number; customer: string } {
  const number = Math.floor(random() * ORGANIZATIONS)
  return { organization: organizationOf(number), number, customer: `c${Math.floor(random() * 100)}` }
}

/** Other questions that people ask, warm. */
async function measureOthers(stand: Stand, random: () => number): Promise<Record<string, number[]>> {
  const { audit } = stand
  const others: Record<string, () => Promise<unknown>> = {
    who_90_days: () => {
      const { organization, customer } = aPlace(random)
      return audit.who({ q: `organization:${organization} resource:customer/${customer}` })
    },
    newest_50_of_agent: () => {
      const { number } = aPlace(random)
      return audit.calls({ q: `agent:${idOf('agt', number, 3)}`, limit: 50 })
    },
    person_30_days: () => {
      const { number } = aPlace(random)
      return audit.calls({ q: `person:${idOf('usr', number, 42)} since:2026-08-31`, limit: 100 })
    },
    refused_by_tool_1_day: () => {
      const { organization } = aPlace(random)
      return audit.counts({ q: `organization:${organization} verdict:denied on:2026-09-15`, by: 'tool' })
    },
    agent_week_by_hour: () => {
      const { number } = aPlace(random)
      return audit.counts({ q: `agent:${idOf('agt', number, 3)} on:2026-09-14..2026-09-20`, every: 'hour' })
    },
    word_in_a_day: () => {
      const { organization } = aPlace(random)
      return audit.calls({ q: `organization:${organization} "INV-77" on:2026-09-15`, limit: 50 })
    },
  }
  const found: Record<string, number[]> = {}
  for (const [name, ask] of Object.entries(others)) {
    found[name] = []
    for (let i = 0; i < 10; i++) found[name].push(await time(ask))
  }
  return found
}

async function time(ask: () => Promise<unknown>): Promise<number> {
  const from = performance.now()
  await ask()
  return performance.now() - from
}
