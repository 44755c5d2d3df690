import { didYouMean, type Verdict } from '../../core/index.ts'
import { type Chip, fault, readChips } from './chips.ts'
import { type Frame, readSpan, TIMES } from './times.ts'

/** By what recorded calls are found, each with what it asks for. */
export const FILTERS = {
  organization: 'the organization, by slug or id',
  agent: 'the agent that called, by name or id',
  person: 'the person it acted for',
  owner: 'the person who answers for the agent',
  credential: 'the credential that the agent proved itself by',
  grant: 'the grant it acted by',
  chain: 'an agent that let it act, or a delegation',
  server: 'the MCP server that was called',
  tool: 'the tool that was called',
  resource: 'the resource that was touched, and all that lay in it at that time',
  verdict: 'permitted, denied or needs_approval',
  reason: 'why it was refused, as tool_unmapped',
  point: 'the enforcement point that decided',
} as const
export type FilterKey = keyof typeof FILTERS

/** When, each with what it asks for. */
export const TIME_FILTERS = {
  since: 'from then on: today, tuesday, 14:00, 2h, 2026-11-17',
  until: 'up to then, a day included',
  on: 'on that whole day, or from one to another: yesterday, tuesday, monday..wednesday',
} as const
export type TimeKey = keyof typeof TIME_FILTERS

/** A match is one of `any` where there are some, and none of `none`. */
export interface Wanted {
  any: string[]
  none: string[]
}

/** A question in its parts. */
export interface CallQuestion {
  wanted: Partial<Record<FilterKey, Wanted>>
  /** Words that must be in the arguments, and words that must not. */
  text: { all: string[]; none: string[] }
  /** Milliseconds; `until` is not part of the span. */
  since: number | null
  until: number | null
}

const VERDICTS: Record<string, Verdict> = {
  permit: 'permit',
  permitted: 'permit',
  deny: 'deny',
  denied: 'deny',
  refused: 'deny',
  needs_approval: 'needs_approval',
}
const KEYS = [...Object.keys(FILTERS), ...Object.keys(TIME_FILTERS)]
const ALIASES: Record<string, FilterKey> = { org: 'organization' }
const SHORTEST_WORD = 2
const LONGEST_WORD = 200

/**
 * Reads a question in the words of the console's chips. Of one key any value counts (`agent:a agent:b`), of different keys all
 * must hold; a minus leaves out; words without a key are looked for in the arguments. `query.invalid` says where it is
 * wrong, and what was meant.
 * @example parseQuery('resource:customer/acme verdict:denied since:tuesday', { now: Date.now(), zone: 'Europe/Berlin' })
 */
export function parseQuery(text: string, frame: Frame): CallQuestion {
  const question: CallQuestion = { wanted: {}, text: { all: [], none: [] }, since: null, until: null }
  const times: Partial<Record<TimeKey, Chip>> = {}
  for (const chip of readChips(text)) {
    const key = ALIASES[chip.key] ?? chip.key
    if (key === 'text') addWord(question, text, chip)
    else if (Object.hasOwn(TIME_FILTERS, key)) addTime(times, text, key as TimeKey, chip)
    else if (Object.hasOwn(FILTERS, key)) addValue(question, text, key as FilterKey, chip)
    else
      throw fault(
        text,
        chip,
        `There is no filter "${chip.key}"`,
        `${didYouMean(chip.key, KEYS)} The filters are ${KEYS.join(', ')}; words with a colon are put in quotes.`,
      )
  }
  return { ...question, ...spanOf(text, times, frame) }
}

function addWord({ text: words }: CallQuestion, text: string, chip: Chip): void {
  const { value, isNot } = chip
  if (value.length < SHORTEST_WORD || value.length > LONGEST_WORD)
    throw fault(text, chip, `Words have ${SHORTEST_WORD} to ${LONGEST_WORD} characters`)
  words[isNot ? 'none' : 'all'].push(value)
}

function addValue({ wanted }: CallQuestion, text: string, key: FilterKey, chip: Chip): void {
  const values = wanted[key] ?? { any: [], none: [] }
  wanted[key] = values
  values[chip.isNot ? 'none' : 'any'].push(key === 'verdict' ? verdictOf(text, chip) : chip.value)
}

function verdictOf(text: string, chip: Chip): Verdict {
  const word = chip.value.toLowerCase()
  if (Object.hasOwn(VERDICTS, word)) return VERDICTS[word] as Verdict
  const more = `${didYouMean(word, Object.keys(VERDICTS))} Verdicts are permitted, denied and needs_approval.`
  throw fault(text, chip, `"${chip.value}" is not a verdict`, more)
}

function addTime(times: Partial<Record<TimeKey, Chip>>, text: string, key: TimeKey, chip: Chip): void {
  if (chip.isNot) throw fault(text, chip, 'A time cannot be left out: say since and until when')
  if (times[key]) throw fault(text, chip, `"${key}" stands here for the second time`)
  times[key] = chip
}

function spanOf(
  text: string,
  { since, until, on }: Partial<Record<TimeKey, Chip>>,
  frame: Frame,
): Pick<CallQuestion, 'since' | 'until'> {
  if (on && (since ?? until)) throw fault(text, on, 'A day and a span are two ways to say when: choose one')
  const span = on
    ? daysOf(text, on, frame)
    : {
        since: since ? spanOfChip(text, since, frame).from : null,
        until: until ? spanOfChip(text, until, frame).to : null,
      }
  const last = until ?? on
  if (last && span.since !== null && span.until !== null && span.until <= span.since)
    throw fault(text, last, 'The span ends before it begins')
  return span
}

function daysOf(text: string, on: Chip, frame: Frame): Pick<CallQuestion, 'since' | 'until'> {
  const [first = '', last = first, ...more] = on.value.split('..')
  if (more.length > 0) throw fault(text, on, 'A range of days is written as monday..wednesday')
  const spans = [first, last].map(value => spanOfChip(text, { ...on, value }, frame))
  for (const { from, to } of spans)
    if (from === to) throw fault(text, on, `"${on.value}" is a moment, not a day`, ' Write it with since.')
  return { since: spans[0]?.from ?? null, until: spans[1]?.to ?? null }
}

function spanOfChip(text: string, chip: Chip, frame: Frame) {
  const span = readSpan(chip.value, frame)
  if (span) return span
  throw fault(text, chip, `"${chip.value}" is not a time`, ` Times are ${TIMES}.`)
}
