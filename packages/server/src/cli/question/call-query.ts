import {
  type AdminApi,
  FILTERS,
  type FilterKey,
  type Input,
  TIME_FILTERS,
  type TimeKey,
  writeChips,
} from '@valetkey/sdk/contract'
import { type Command, Option } from 'commander'
import { collectWhole, type Session } from '../session.ts'
import { parseSpan, UsageError, zoneOf } from '../terminal/index.ts'

type CallQuery = Omit<Input<AdminApi['audit']['calls']>, 'limit' | 'cursor'>
type Filter = FilterKey | TimeKey
const HELP: Record<Filter, string> = { ...FILTERS, ...TIME_FILTERS }

/** Flags of a question; each may also be written as a word: `agent:support-bot verdict:denied since:tuesday`. */
export type CallFlags = { [Key in Filter]?: string[] }

/** Everything but the organization, which `--org` names. */
const ALL = (Object.keys(HELP) as Filter[]).filter(key => key !== 'organization')

export function addFilters(command: Command, keys: readonly Filter[] = ALL): Command {
  for (const key of keys)
    command.addOption(
      new Option(`--${key} <${key in TIME_FILTERS ? 'time' : key}>`, HELP[key]).argParser(collectWhole),
    )
  return command
}

/** What was typed, words and flags together, as the authority reads it: names and times are found there. */
export function toQuery(session: Session, words: readonly string[], flags: CallFlags): CallQuery {
  const chips = ALL.flatMap(key => (flags[key] ?? []).map(value => ({ key, value, isNot: false })))
  const q = [...words.map(asOneWord), writeChips(chips)].filter(text => text !== '').join(' ')
  return { ...session.organization, zone: zoneOf(session), ...(q !== '' && { q }) }
}

/** The shell has taken the quotes of `text:"jane doe"` away, and left one word: so it is meant. */
function asOneWord(word: string): string {
  const [, sign = '', key, value = ''] = /^(-?)([A-Za-z_]+):(.*)$/s.exec(word) ?? []
  if (!/\s/.test(word) || word.includes('"')) return word
  return key === undefined
    ? writeChips([{ key: 'text', value: word, isNot: false }])
    : writeChips([{ key, value, isNot: sign === '-' }])
}

export function spanOf(
  { io, utc }: Pick<Session, 'io' | 'utc'>,
  { since, until, on }: { [Key in TimeKey]?: string | undefined },
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
