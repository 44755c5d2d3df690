import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { DEFAULT, KINDS } from './policy.ts'
import { DAY_MS, newProfile, type Observed, Profile } from './profile.ts'
import { type Finding, joinFindings, watchCall } from './watch.ts'

const START = Date.UTC(2027, 0, 4)
const MINUTE_MS = 60_000

/** How one agent works: its tools, the hours of its day, how many calls a day; the same every day. */
interface Habit {
  tools: string[]
  types: string[]
  from: number
  hours: number
  calls: number
}
const habit: fc.Arbitrary<Habit> = fc.record({
  tools: fc.uniqueArray(fc.string({ minLength: 1, maxLength: 8 }), { minLength: 1, maxLength: 10 }),
  types: fc.uniqueArray(fc.string({ minLength: 1, maxLength: 8 }), { maxLength: 4 }),
  from: fc.nat(23),
  hours: fc.integer({ min: 1, max: 24 }),
  calls: fc.integer({ min: 2, max: 60 }),
})
const USUAL: Habit = {
  tools: ['billing/get_invoice', 'billing/list'],
  types: ['invoice'],
  from: 9,
  hours: 8,
  calls: 40,
}

function call(at: number, fields: Partial<Observed> = {}): Observed {
  return {
    record: `dec_${at}`,
    at,
    tool: 'billing/get_invoice',
    types: ['invoice'],
    isRefused: false,
    ...fields,
  }
}

/** The calls of some days, at the same times each day, every tool and type among them each day. */
function work({ tools, types, from, hours, calls }: Habit, days: number, start = START): Observed[] {
  const most = Math.max(calls, tools.length, types.length)
  return Array.from({ length: days }, (_, day) =>
    Array.from({ length: most }, (_, i) => {
      const at = start + day * DAY_MS + (from * 60 + Math.floor((i * hours * 60) / most)) * MINUTE_MS
      const type = types[i % Math.max(1, types.length)]
      return call(at, { tool: tools[i % tools.length] ?? '', types: type === undefined ? [] : [type] })
    }),
  ).flat()
}

function watch(calls: readonly Observed[], profile = newProfile(), policy = DEFAULT): Finding[] {
  return calls.flatMap(each => watchCall(profile, each, policy))
}
const kindsOf = (findings: readonly Finding[]) => findings.map(({ kind }) => kind)

/** A profile of somebody who has worked in the usual way for three weeks. */
function usual(): Profile {
  const profile = newProfile()
  watch(work(USUAL, 21), profile)
  return profile
}
const AFTER = START + 21 * DAY_MS + 10 * 60 * MINUTE_MS

describe('what is usual raises nothing', () => {
  test('whoever does the same every day, whatever that is', () => {
    fc.assert(
      fc.property(habit, fc.integer({ min: 10, max: 70 }), (of, days) => {
        expect(watch(work(of, days))).toEqual([])
      }),
      { numRuns: 60 },
    )
  })

  test('a new agent, while it is learned, and then by what it has learned', () => {
    const profile = newProfile()
    const calls = Array.from({ length: 200 }, (_, i) =>
      call(START + i * MINUTE_MS, { tool: `billing/tool_${i}` }),
    )
    expect(watch(calls, profile)).toEqual([])
    expect(kindsOf(watch([call(START + 8 * DAY_MS, { tool: 'billing/other' })], profile))).toContain(
      'new_tool',
    )
  })

  test('a weekend, a day off, and a day of half the work', () => {
    const days = work(USUAL, 42).filter(({ at }) => Math.floor((at - START) / DAY_MS) % 7 < 5)
    expect(watch(days.filter((_, i) => i < 600 || i % 2 === 0))).toEqual([])
  })

  test('refusals that are not the agent’s doing are no streak', () => {
    const refused = Array.from({ length: 50 }, (_, i) => call(AFTER + i * 1000, { isRefused: i % 10 !== 0 }))
    expect(kindsOf(watch(refused, usual()))).not.toContain('refusal_streak')
  })
})

describe('each kind of change raises its alert, and names the records that show it', () => {
  test('a tool that it never used', () => {
    const change = call(AFTER, { tool: 'billing/delete_everything' })
    const profile = usual()
    expect(watch([change], profile)).toMatchObject([
      { kind: 'new_tool', what: ['billing/delete_everything'], records: [change.record], usual: '2 tools' },
    ])
    // From then on it is known.
    expect(watch([call(AFTER + 1000, { tool: change.tool })], profile)).toEqual([])
  })

  test('a type of resource that it never touched', () => {
    expect(watch([call(AFTER, { types: ['invoice', 'salary'] })], usual())).toMatchObject([
      { kind: 'new_resource_type', what: ['salary'] },
    ])
  })

  test('names that an agent makes up are no tools', () => {
    const made = Array.from({ length: 15 }, (_, i) => call(AFTER + i * 1000, { tool: null, isRefused: true }))
    expect(watch(made, usual())).toEqual([])
  })

  test('an hour at which it never works', () => {
    const night = START + 21 * DAY_MS + 3 * 60 * MINUTE_MS
    expect(kindsOf(watch([call(night)], usual()))).toEqual(['unusual_hour'])
    // The hour beside those of its day is no other.
    expect(watch([call(START + 21 * DAY_MS + 17 * 60 * MINUTE_MS)], usual())).toEqual([])
  })

  test('a burst, once an hour while it goes on', () => {
    const burst = Array.from({ length: 3000 }, (_, i) => call(AFTER + i * 2000))
    const findings = watch(burst, usual())
    expect(kindsOf(findings)).toEqual(['burst', 'burst'])
    expect(findings[0]?.what[0]).toMatch(/^\d+ calls in five minutes$/)
  })

  test('refusals in a row, all of them named as far as they go', () => {
    const refused = Array.from({ length: 25 }, (_, i) => call(AFTER + i * 10_000, { isRefused: true }))
    expect(watch(refused, usual())).toMatchObject([
      { kind: 'refusal_streak', records: refused.slice(0, 20).map(({ record }) => record) },
    ])
    // One that is let through in between ends it; a new agent is told of, too.
    const broken = refused.map((each, i) => ({ ...each, isRefused: i !== 12 }))
    expect(watch(broken, usual())).toEqual([])
    expect(kindsOf(watch(refused))).toEqual(['refusal_streak'])
  })

  test('an agent that was asleep, and nothing more of it, since nothing is usual any more', () => {
    const back = call(AFTER + 40 * DAY_MS, { tool: 'billing/other', types: ['salary'] })
    expect(watch([back], usual())).toMatchObject([{ kind: 'dormant_awake', what: ['after 40 days'] }])
  })

  test('only what the organization wants to be told of', () => {
    const policy = { ...DEFAULT, kinds: KINDS.filter(kind => kind !== 'new_tool') }
    expect(watch([call(AFTER, { tool: 'x/y' })], usual(), policy)).toEqual([])
  })
})

test('many findings of one reading are one alert a kind', () => {
  const calls = Array.from({ length: 60 }, (_, i) => call(AFTER + i * 10_000, { tool: `billing/t${i}` }))
  const [finding, ...others] = joinFindings(watch(calls, usual()))
  expect(others).toEqual([])
  expect([finding?.kind, finding?.what.length, finding?.records.length]).toEqual(['new_tool', 20, 20])
})

test('a profile stays small, whatever an agent does, and is the same after it was stored', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(90 * 24 * 60), fc.string(), fc.boolean()), { maxLength: 600 }),
      events => {
        const profile = newProfile()
        const calls = events.map(([minute, tool, isRefused]) =>
          call(START + minute * MINUTE_MS, {
            tool: `${tool}${minute}`,
            types: [`${tool}${minute % 400}`],
            isRefused,
          }),
        )
        const half = Math.floor(calls.length / 2)
        watch(calls.slice(0, half), profile)
        const stored = Profile.parse(JSON.parse(JSON.stringify(profile)))
        expect(watch(calls.slice(half), stored)).toEqual(watch(calls.slice(half), profile))
        expect(JSON.stringify(profile).length).toBeLessThan(300_000)
        expect(Object.keys(profile.tools).length).toBeLessThanOrEqual(256)
        expect(profile.days.length).toBeLessThanOrEqual(28)
        expect(profile.minutes.length).toBeLessThanOrEqual(10)
      },
    ),
    { numRuns: 30 },
  )
})

/** Numbers that look like chance and are the same each time (mulberry32). */
function dice(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/**
 * Eight weeks of an agent that works as people let agents work: some tools often and some seldom, more on one day than on
 * another, nothing at weekends for half of them, now and then a refusal.
 */
function liveOf(seed: number): Observed[] {
  const random = dice(seed)
  const tools = Array.from({ length: 3 + Math.floor(random() * 9) }, (_, i) => `server/tool_${i}`)
  const types = Array.from({ length: 1 + Math.floor(random() * 4) }, (_, i) => `type_${i}`)
  const [from, hours] =
    random() < 0.3 ? [0, 24] : [6 + Math.floor(random() * 4), 8 + Math.floor(random() * 3)]
  const restsAtWeekends = random() < 0.5
  const perDay = 20 + Math.floor(random() * 200)
  const calls: Observed[] = []
  for (let day = 0; day < 56; day++) {
    if (restsAtWeekends && day % 7 > 4) continue
    // Now and then there is a batch: three times the work, much of it within an hour. Now and then somebody works late.
    const isBatch = random() < 0.03
    const late = random() < 0.02 ? 3 : 0
    const today = Math.floor(perDay * (0.5 + random()) * (isBatch ? 3 : 1))
    const times = Array.from(
      { length: today },
      () => (from + (isBatch && random() < 0.5 ? random() : random() * (hours + late))) * 60 * MINUTE_MS,
    ).sort((a, b) => a - b)
    for (const time of times)
      calls.push(
        call(START + day * DAY_MS + time, {
          // Squared: the first are used far more than the last.
          // One tool is for an occasion that comes up once in some thousand calls.
          tool: random() < 0.0003 ? 'server/seldom' : (tools[Math.floor(random() ** 2 * tools.length)] ?? ''),
          types: [types[Math.floor(random() ** 2 * types.length)] ?? ''],
          isRefused: random() < 0.03,
        }),
      )
  }
  return calls
}

test('a fleet that lives as fleets do: one false alert for 100 agents in a week, beside tools that are new indeed', () => {
  const AGENTS = 60
  const findings = Array.from({ length: AGENTS }, (_, seed) => watch(liveOf(seed + 1))).flat()
  const agentWeeks = AGENTS * 7
  const perWeekOf100 = (of: (finding: Finding) => boolean) => (findings.filter(of).length / agentWeeks) * 100
  expect(perWeekOf100(({ kind }) => kind !== 'new_tool')).toBeLessThan(1.5)
  const isSeldom = ({ what }: Finding) => what.includes('server/seldom')
  expect(perWeekOf100(finding => finding.kind === 'new_tool' && !isSeldom(finding))).toBe(0)
  expect(perWeekOf100(isSeldom)).toBeLessThan(15)
})

test('a stolen agent in that fleet is told of, whatever it is used for', () => {
  for (let seed = 1; seed <= 20; seed++) {
    const profile = newProfile()
    const calls = liveOf(seed)
    watch(calls, profile)
    const at = (calls.at(-1)?.at ?? 0) + 60 * MINUTE_MS
    const stolen = Array.from({ length: 2000 }, (_, i) =>
      call(at + i * 100, { tool: 'server/tool_0', types: ['type_0'] }),
    )
    expect(kindsOf(watch(stolen, profile)), `agent ${seed}`).toContain('burst')
  }
})
