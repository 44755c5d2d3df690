import { type AdminApi, fromWall, type Output, offsetAt, timeIn } from '@valetkey/sdk/contract'
import { AppError, didYouMean, isoTime } from '@valetkey/sdk/core'
import type { Db } from '../../store/index.ts'
import { VERDICTS } from '../entry.ts'
import type { Ledger } from '../ledger.ts'
import { type CallQuery, readQuestion, toAsked } from './asked.ts'
import { namesOf } from './names.ts'
import { resolveCalls } from './resolve.ts'
import type { Group, GroupColumn, RecordFilter, Summary } from './rows.ts'

type Answer = Output<AdminApi['audit']['counts']>
type Unit = 'minute' | 'hour' | 'day'
export type CountQuery = CallQuery & { by?: string; every?: Unit | undefined }

const COLUMNS: Record<string, GroupColumn> = {
  agent: 'actor',
  person: 'person',
  owner: 'owner',
  grant: 'grant_id',
  credential: 'credential',
  server: 'target',
  tool: 'action',
  verdict: 'verdict',
  reason: 'reason',
  point: 'point',
  organization: 'log',
}
const MOST_THINGS = 4
const MOST_COUNTS = 10_000
const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
/** No zone changes its clocks and back within so short a time. */
const STEP_MS = 10 * DAY_MS
/** Where no beginning is asked for, clock changes are known so far back; what is older is cut by the clock of then. */
const LONGEST_SPAN_MS = 800 * DAY_MS

/** Calls counted by what they have in common, busiest first; or over time, oldest first. */
export async function findCounts(ledger: Ledger, facts: Db, query: CountQuery, now: number): Promise<Answer> {
  const question = readQuestion(query, now)
  const things = thingsOf(query.by ?? '')
  const by = things.map(thing => COLUMNS[thing] as GroupColumn)
  const filter = await resolveCalls(facts, question)
  const { every } = query
  const counted =
    every === undefined
      ? await ledger.summarize({ filter, by, limit: MOST_COUNTS })
      : await countOverTime(ledger, { filter, by, every, zone: question.zone, now })
  if (counted.isCut)
    throw new AppError(
      'query.invalid',
      `There are more than ${MOST_COUNTS} counts. Count by less, or ask for a shorter time.`,
      { path: 'by' },
    )
  const counts = counted.groups.map(group => toCount(group, things, every && question.zone))
  const ids = counts.flatMap(({ by: { agent, person, owner, server } }) => [agent, person, owner, server])
  const known = [...new Set(ids)].filter(id => typeof id === 'string')
  const name = await namesOf(facts, known)
  return {
    counts: counts.sort(every === undefined ? busiestFirst : oldestFirst),
    names: Object.fromEntries(known.map(id => [id, name(id)])),
    asked: toAsked(question),
    lookedBackTo: counted.lookedBackTo === null ? null : isoTime(counted.lookedBackTo),
  }
}

function thingsOf(by: string): string[] {
  const things = by.split(',').filter(word => word !== '')
  for (const thing of things)
    if (!Object.hasOwn(COLUMNS, thing))
      throw new AppError(
        'query.invalid',
        `Calls are not counted by "${thing.slice(0, 40)}".${didYouMean(thing, Object.keys(COLUMNS))} They are by ${Object.keys(COLUMNS).join(', ')}.`,
        { path: 'by' },
      )
  if (things.length > MOST_THINGS || new Set(things).size < things.length)
    throw new AppError('query.invalid', `Calls are counted by up to ${MOST_THINGS} different things.`, {
      path: 'by',
    })
  return things
}

/** A group whose last key is when its minute, hour or day began. */
async function countOverTime(
  ledger: Ledger,
  wanted: { filter: RecordFilter; by: readonly GroupColumn[]; every: Unit; zone: string; now: number },
): Promise<Summary> {
  const { filter, by, every, zone, now } = wanted
  const groups = new Map<string, Group>()
  for (const { since, until, offset } of spansOfOneOffset(zone, filter, now)) {
    const span = { ...filter, since, until }
    const question = { filter: span, by: [...by, every], shift: offset, limit: MOST_COUNTS }
    const { groups: found, isCut, lookedBackTo } = await ledger.summarize(question)
    for (const group of found) {
      const wall = Number(group.keys.at(-1))
      // A day in which clocks change lies in two spans.
      const start = every === 'day' ? fromWall(zone, wall) : wall - offset
      mergeGroup(groups, { ...group, keys: [...group.keys.slice(0, -1), start] })
    }
    if (isCut || groups.size > MOST_COUNTS) return { groups: [], isCut: true, lookedBackTo }
    if (lookedBackTo !== null) return { groups: [...groups.values()], isCut: false, lookedBackTo }
  }
  return { groups: [...groups.values()], isCut: false, lookedBackTo: null }
}

function mergeGroup(groups: Map<string, Group>, group: Group): void {
  const key = JSON.stringify(group.keys)
  const before = groups.get(key)
  if (!before) {
    groups.set(key, group)
    return
  }
  groups.set(key, {
    keys: group.keys,
    passed: before.passed + group.passed,
    refused: before.refused + group.refused,
    unenforced: before.unenforced + group.unenforced,
    first: Math.min(before.first, group.first),
    last: Math.max(before.last, group.last),
  })
}

interface OffsetSpan {
  since: number | undefined
  until: number | undefined
  offset: number
}

/** The time that is asked for, cut where the clocks of the zone change; the newest part first. */
function spansOfOneOffset(zone: string, { since, until }: RecordFilter, now: number): OffsetSpan[] {
  const from = since ?? now - LONGEST_SPAN_MS
  const to = until ?? now + DAY_MS
  const spans: OffsetSpan[] = []
  let end = until
  let offset = offsetAt(zone, to - 1)
  for (let at = to; at > from; ) {
    const before = Math.max(from, at - STEP_MS)
    if (offsetAt(zone, before) === offset) {
      at = before
      continue
    }
    at = changeBetween(zone, before, at - 1)
    spans.push({ since: at, until: end, offset })
    end = at
    offset = offsetAt(zone, at - 1)
  }
  return [...spans, { since, until: end, offset }]
}

/** The first moment of the later offset. */
function changeBetween(zone: string, earlier: number, later: number): number {
  let [low, high] = [earlier, later]
  const offset = offsetAt(zone, later)
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2)
    if (offsetAt(zone, middle) === offset) high = middle
    else low = middle
  }
  return high
}

function toCount(
  group: Group,
  things: readonly string[],
  zone: string | undefined,
): Answer['counts'][number] {
  const { keys, passed, refused, unenforced, first, last } = group
  const idOf = (thing: string, key: string | number | null | undefined) => {
    if (key === null || key === undefined) return null
    return thing === 'verdict' ? (VERDICTS[Number(key)] ?? null) : String(key)
  }
  return {
    by: Object.fromEntries(things.map((thing, i) => [thing, idOf(thing, keys[i])])),
    from: zone === undefined ? null : timeIn(zone, Number(keys.at(-1))),
    ...{ permitted: passed, refused, unenforced },
    ...{ first: isoTime(first), last: isoTime(last) },
  }
}

type Count = Answer['counts'][number]

function busiestFirst(a: Count, b: Count): number {
  return b.permitted + b.refused - (a.permitted + a.refused) || byNames(a, b)
}

function oldestFirst(a: Count, b: Count): number {
  return Date.parse(a.from ?? '') - Date.parse(b.from ?? '') || byNames(a, b)
}

function byNames(a: Count, b: Count): number {
  const [x, y] = [JSON.stringify(a.by), JSON.stringify(b.by)]
  return x < y ? -1 : x > y ? 1 : 0
}
