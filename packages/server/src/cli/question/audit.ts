import { setTimeout as delay } from 'node:timers/promises'
import type { AdminApi, Output } from '@valetkey/sdk/contract'
import type { Command } from 'commander'
import { addCommand, addGroup, allPages, type Session, wholeNumber, withSession } from '../session.ts'
import type { Io, View } from '../terminal/index.ts'
import { addFilters, type CallFilters, spanOf, toQuery, withChips } from './call-query.ts'
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
    ['agent', 'person', 'owner', 'server', 'tool', 'resource', 'verdict', 'reason', 'since'],
  ).action(withSession(io, tail))
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
}

async function query(
  session: Session,
  chips: string[],
  options: CallFilters & { limit: number },
): Promise<void> {
  const filters = await toQuery(session, withChips(chips, options))
  const { api, print } = session
  print.list(callView, await allPages(page => api.audit.calls({ ...filters, ...page }), options.limit))
}

async function tail(session: Session, chips: string[], options: CallFilters): Promise<void> {
  const { io, print, utc } = session
  const filters = await toQuery(session, { since: 'now', ...withChips(chips, options) })
  for await (const call of follow(session, filters)) {
    if (print.human) print.say(callLine(call, { colors: print.colors, utc }))
    else io.out.write(`${JSON.stringify(call)}\n`)
  }
}

/** Calls in the order in which they arrive, each once. */
async function* follow(
  { api, io }: Session,
  filters: Awaited<ReturnType<typeof toQuery>>,
): AsyncGenerator<RecordedCall> {
  let shown = new Set<string>()
  let since = filters.since
  while (!io.interrupted.aborted) {
    const calls = await allPages(page => api.audit.calls({ ...filters, since, ...page }))
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
