import { setTimeout as delay } from 'node:timers/promises'
import type { AdminApi, Output } from '@valetkey/sdk/contract'
import { type Command, Option } from 'commander'
import { addExport } from '../evidence/export.ts'
import { addLogs } from '../evidence/logs.ts'
import { addRetention } from '../evidence/retention.ts'
import { addVerify } from '../evidence/verify.ts'
import { addCommand, addGroup, allPages, type Session, wholeNumber, withSession } from '../session.ts'
import { type Io, parseSpan, printable, toJson, type View } from '../terminal/index.ts'
import { addFilters, type CallFlags, spanOf, toQuery } from './call-query.ts'
import { callLine, callView, type RecordedCall } from './call-view.ts'

type Change = Output<AdminApi['audit']['changes']>['items'][number]

const changeView: View<Change> = {
  kind: 'Change',
  name: change => change.id,
  columns: [
    { header: 'TIME', value: change => ({ time: change.at }) },
    { header: 'CHANGE', value: change => change.type },
    { header: 'BY', value: change => change.actor },
    { header: 'TARGET', value: change => change.target },
    { header: 'DETAIL', value: change => JSON.stringify(change.detail) },
    { header: 'ORGANIZATION', value: change => change.organization, wide: true },
    { header: 'ID', value: change => change.id, wide: true },
  ],
}

const POLL_MS = 1000
const TAILED = [
  ...(['agent', 'person', 'owner', 'credential', 'grant', 'chain', 'server', 'tool'] as const),
  ...(['resource', 'verdict', 'reason', 'point', 'since'] as const),
]

/** The record: what was called, and what was changed. */
export function register(program: Command, io: Io): void {
  const group = addGroup(program, 'audit', {
    summary: 'The record: what was called, and what was changed',
    examples: [
      ['valetkey audit query agent:support-bot verdict:denied since:tuesday', 'what was refused'],
      ['valetkey audit tail', 'as it happens'],
    ],
  })
  addFilters(
    addCommand(group, 'query [filters...]', {
      summary: 'Find recorded calls, newest first',
      examples: [
        ['valetkey audit query agent:support-bot verdict:denied since:tuesday', 'filters as words'],
        ['valetkey audit query --resource customer/acme --on yesterday -o csv', 'filters as flags'],
      ],
    }).option('--limit <count>', 'at most so many', wholeNumber, 100),
  ).action(withSession(io, query))
  addFilters(
    addCommand(group, 'tail [filters...]', {
      summary: 'Show calls as they are recorded, until interrupted',
      examples: [
        ['valetkey audit tail', 'everything'],
        ['valetkey audit tail verdict:denied --json', 'only refusals, a JSON object a line'],
      ],
    }),
    TAILED,
  ).action(withSession(io, tail))
  addFilters(
    addCommand(group, 'count [filters...]', {
      summary: 'Count recorded calls by what they have in common, or over time',
      examples: [
        ['valetkey audit count --by agent,reason verdict:denied since:7d', 'who is refused, and why'],
        ['valetkey audit count --every hour server:billing on:yesterday', 'a histogram'],
      ],
    })
      .option(
        '--by <things>',
        'agent, person, owner, grant, server, tool, verdict, reason, point, organization',
      )
      .addOption(new Option('--every <time>', 'over time').choices(['minute', 'hour', 'day'])),
  ).action(withSession(io, count))
  addCommand(group, 'changes', {
    summary: 'Find recorded changes, newest first',
    examples: [
      ['valetkey audit changes --since today', 'what was changed today'],
      ['valetkey audit changes --type agent.suspended', 'one kind of change'],
    ],
  })
    .option('--type <type>', 'the kind of change, as agent.suspended')
    .option('--actor <id>', 'who did it')
    .option('--target <id>', 'what it was done to')
    .option('--since <time>', 'from then on')
    .option('--until <time>', 'up to then')
    .option('--on <time>', 'on that whole day')
    .option('--limit <count>', 'at most so many', wholeNumber, 100)
    .action(withSession(io, changes))
  addExport(group, io)
  addVerify(group, io)
  addLogs(group, io)
  addRetention(group, io)
}

async function query(session: Session, words: string[], flags: CallFlags & { limit: number }): Promise<void> {
  const { calls, lookedBackTo } = await findCalls(session, toQuery(session, words, flags), flags.limit)
  session.print.list(callView, calls)
  sayHowFar(session, lookedBackTo)
}

/** All pages of a question, up to a limit; where a search gets no further, it ends. */
async function findCalls({ api }: Session, question: ReturnType<typeof toQuery>, limit?: number) {
  let lookedBackTo: string | null = null
  const calls = await allPages(async page => {
    const answer = await api.audit.calls({ ...question, ...page })
    const isStuck = answer.lookedBackTo !== null && answer.lookedBackTo === lookedBackTo
    lookedBackTo = answer.lookedBackTo
    return isStuck ? { ...answer, next: null } : answer
  }, limit)
  return { calls, lookedBackTo }
}

/** What was not looked through is said beside the answer, so that "nothing" is not taken for "never". */
function sayHowFar({ print }: Session, lookedBackTo: string | null): void {
  if (lookedBackTo === null) return
  print.note(
    `There is too much to look through: only what came after ${lookedBackTo} was. Name a resource, an agent or a shorter time.`,
  )
}

async function count(
  session: Session,
  words: string[],
  { by = '', every, ...flags }: CallFlags & { by?: string; every?: 'minute' | 'hour' | 'day' },
): Promise<void> {
  const { api, print } = session
  const question = toQuery(session, words, flags)
  const things = by === '' && every === undefined ? 'agent' : by
  const wanted = { ...question, by: things, ...(every !== undefined && { every }) }
  const { counts, names, asked, lookedBackTo } = await api.audit.counts(wanted)
  const view = countView(things.split(',').filter(Boolean), { counts, names, every })
  if (!print.human) print.list(view, counts, { names, asked, lookedBackTo })
  else {
    print.say(printable(spanLine(asked)))
    print.say('')
    print.list(view, counts)
  }
  sayHowFar(session, lookedBackTo)
}

type Count = Output<AdminApi['audit']['counts']>['counts'][number]
const BAR = 30

function countView(
  things: readonly string[],
  {
    counts,
    names,
    every,
  }: { counts: readonly Count[]; names: Record<string, string>; every?: string | undefined },
): View<Count> {
  const most = Math.max(1, ...counts.map(({ permitted, refused }) => permitted + refused))
  const isOverTime = every !== undefined
  const bar = ({ permitted, refused }: Count) => '█'.repeat(Math.ceil(((permitted + refused) / most) * BAR))
  return {
    kind: 'Count',
    name: each => things.map(thing => each.by[thing] ?? '-').join(' '),
    columns: [
      ...(isOverTime ? [{ header: 'FROM', value: (each: Count) => each.from }] : []),
      ...things.map(thing => ({
        header: thing.toUpperCase(),
        value: ({ by }: Count) => {
          const id = by[thing] ?? null
          return id === null ? null : (names[id] ?? id)
        },
      })),
      { header: 'PERMITTED', value: each => each.permitted, align: 'right' },
      { header: 'REFUSED', value: each => each.refused, align: 'right' },
      ...(isOverTime ? [{ header: 'CALLS', value: bar }] : []),
      { header: 'FIRST', value: each => ({ time: each.first }), wide: true },
      { header: 'LAST', value: each => ({ time: each.last }), wide: true },
    ],
  }
}

/** Which days were meant: "tuesday" is another one elsewhere. */
function spanLine({ since, until, zone }: Output<AdminApi['audit']['counts']>['asked']): string {
  const begin = since === null ? 'from the beginning' : `from ${since}`
  return `Calls ${begin} to ${until ?? 'now'} (${zone}).`
}

async function tail(session: Session, words: string[], { since, ...flags }: CallFlags): Promise<void> {
  const { io, print, utc } = session
  const isTime = (word: string) => /^since:/i.test(word)
  const begin = words.findLast(isTime)?.slice('since:'.length) ?? since?.at(-1) ?? 'now'
  const filters = toQuery(
    session,
    words.filter(word => !isTime(word)),
    flags,
  )
  const from = new Date(parseSpan(begin, { now: io.now(), utc }).from).toISOString()
  for await (const call of follow(session, { ...filters, since: from })) {
    if (print.human) print.say(callLine(call, { colors: print.colors, utc }))
    else io.out.write(`${toJson(call)}\n`)
  }
}

/** Calls in the order in which they arrive, each once. */
async function* follow(session: Session, filters: ReturnType<typeof toQuery>): AsyncGenerator<RecordedCall> {
  const { io } = session
  let shown = new Set<string>()
  let since = filters.since
  while (!io.interrupted.aborted) {
    const { calls } = await findCalls(session, { ...filters, since })
    for (const call of calls.reverse()) if (!shown.has(call.id)) yield call
    shown = new Set(calls.map(call => call.id))
    // Records arrive late and out of order: look back a little further than the newest that was seen.
    const newest = calls.at(-1)?.at
    if (newest !== undefined) since = laterOf(since, new Date(Date.parse(newest) - 30_000).toISOString())
    await delay(POLL_MS, undefined, { signal: io.interrupted }).catch(() => {})
  }
}

function laterOf(a: string | undefined, b: string): string {
  return a !== undefined && a > b ? a : b
}

async function changes(
  session: Session,
  {
    type,
    actor,
    target,
    limit,
    ...span
  }: Record<'type' | 'actor' | 'target' | 'since' | 'until' | 'on', string | undefined> & { limit: number },
): Promise<void> {
  const { api, organization, print } = session
  const filters = { ...organization, type, actor, target, ...spanOf(session, span) }
  print.list(changeView, await allPages(page => api.audit.changes({ ...filters, ...page }), limit))
}
