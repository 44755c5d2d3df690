import { type AdminApi, ApiError, type Input } from '@valetkey/sdk/contract'
import { didYouMean } from '@valetkey/sdk/core'
import { type Command, Option } from 'commander'
import { findAgent, findPerson, findServer } from '../find.ts'
import type { Session } from '../session.ts'
import { parseSpan, UsageError } from '../terminal/index.ts'

type CallQuery = Input<AdminApi['audit']['calls']>

/** Filters as flags; the same words work as chips: `agent:support-bot verdict:denied since:tuesday`. */
export interface CallFilters {
  agent?: string | undefined
  person?: string | undefined
  owner?: string | undefined
  server?: string | undefined
  tool?: string | undefined
  resource?: string | undefined
  verdict?: string | undefined
  reason?: string | undefined
  since?: string | undefined
  until?: string | undefined
  on?: string | undefined
}

const FILTERS: Record<keyof CallFilters, string> = {
  agent: 'the agent that called, by name or id',
  person: 'the person it acted for',
  owner: 'the person who answers for the agent',
  server: 'the MCP server that was called',
  tool: 'the tool that was called',
  resource: 'the resource that was touched, and all below it',
  verdict: 'permitted or denied',
  reason: 'why it was refused, as tool_unmapped',
  since: 'from then on: today, tuesday, 14:00, 2h, 2026-11-17',
  until: 'up to then',
  on: 'on that whole day: yesterday, tuesday, 2026-11-17',
}
const KEYS = Object.keys(FILTERS) as (keyof CallFilters)[]

const VERDICTS: Record<string, CallQuery['verdict']> = {
  permit: 'permit',
  permitted: 'permit',
  deny: 'deny',
  denied: 'deny',
  refused: 'deny',
  needs_approval: 'needs_approval',
}

export function addFilters(command: Command, keys: readonly (keyof CallFilters)[] = KEYS): Command {
  for (const key of keys) command.addOption(new Option(`--${key} <${argumentOf(key)}>`, FILTERS[key]))
  return command
}

function argumentOf(key: keyof CallFilters): string {
  return key === 'since' || key === 'until' || key === 'on' ? 'time' : key
}

/** Reads `key:value` words into filters; flags win. */
export function withChips(chips: readonly string[], flags: CallFilters): CallFilters {
  const filters: CallFilters = {}
  for (const chip of chips) {
    const [key = '', ...rest] = chip.split(':')
    const value = rest.join(':')
    if (!isKey(key) || value === '')
      throw new UsageError(
        `"${chip}" is not a filter.`,
        value === ''
          ? 'A filter is written as agent:support-bot.'
          : `There is no filter "${key}".${didYouMean(key, KEYS)}`,
        `The filters are ${KEYS.join(', ')}.`,
      )
    filters[key] = value
  }
  for (const key of KEYS) if (flags[key] !== undefined) filters[key] = flags[key]
  return filters
}

function isKey(key: string): key is keyof CallFilters {
  return Object.hasOwn(FILTERS, key)
}

/** The filters as the API takes them: names looked up, times as people say them read. */
export async function toQuery(
  session: Session,
  filters: CallFilters,
): Promise<Omit<CallQuery, 'limit' | 'cursor'>> {
  const { tool, resource, reason } = filters
  const [agent, server, person, owner] = await Promise.all([
    idOf(filters.agent, text => findAgent(session, text)),
    idOf(filters.server, text => findServer(session, text)),
    idOf(filters.person, text => findPerson(session, text)),
    idOf(filters.owner, text => findPerson(session, text)),
  ])
  return {
    ...session.organization,
    agent,
    server,
    person,
    owner,
    tool,
    resource,
    reason,
    verdict: filters.verdict === undefined ? undefined : verdictOf(filters.verdict),
    ...spanOf(session, filters),
  }
}

/** Who may only read the record cannot look names up: then the server gets the word as it is. */
async function idOf(
  text: string | undefined,
  find: (text: string) => Promise<{ id: string }>,
): Promise<string | undefined> {
  if (text === undefined) return undefined
  try {
    return (await find(text)).id
  } catch (error) {
    if (error instanceof ApiError && error.code === 'permission.denied') return text
    throw error
  }
}

function verdictOf(word: string): CallQuery['verdict'] {
  const verdict = VERDICTS[word.toLowerCase()]
  if (verdict) return verdict
  throw new UsageError(
    `"${word}" is not a verdict.`,
    `Verdicts are permitted and denied.${didYouMean(word, Object.keys(VERDICTS))}`,
  )
}

export function spanOf(
  { io, utc }: Pick<Session, 'io' | 'utc'>,
  { since, until, on }: Pick<CallFilters, 'since' | 'until' | 'on'>,
): { since?: string; until?: string } {
  const frame = { now: io.now(), utc }
  const iso = (ms: number) => new Date(ms).toISOString()
  if (on !== undefined) {
    if (since !== undefined || until !== undefined)
      throw new UsageError(
        'A day and a span are two ways to say when.',
        '--on stands alone.',
        'Leave --since and --until out.',
      )
    const { from, to } = parseSpan(on, frame)
    if (from === to)
      throw new UsageError(
        `"${on}" is a moment, not a day.`,
        '--on takes a day, as tuesday.',
        `Use --since ${on}.`,
      )
    return { since: iso(from), until: iso(to) }
  }
  return {
    ...(since !== undefined && { since: iso(parseSpan(since, frame).from) }),
    ...(until !== undefined && { until: iso(parseSpan(until, frame).to) }),
  }
}
