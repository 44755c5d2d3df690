import { AppError } from '../../core/index.ts'

/** One word of a question, as `agent:support-bot`, with where it stands in the text. */
export interface Chip {
  /** `text` where nothing is named: the word is looked for in the arguments. */
  key: string
  value: string
  /** Written with a minus before it: what matches is left out. */
  isNot: boolean
  from: number
  to: number
}

const LONGEST = 4_000
const MOST_CHIPS = 60
const KEY = /^[A-Za-z_]+$/

/**
 * Takes a question apart: words between spaces, each `key:value`, `"words in quotes"` or a word alone. A value may be
 * put in quotes, in which `\"` and `\\` stand for a quote and a backslash.
 */
export function readChips(text: string): Chip[] {
  if (text.length > LONGEST)
    throw new AppError('query.invalid', `A question has at most ${LONGEST} characters.`, { path: 'q' })
  const chips: Chip[] = []
  for (let at = skipSpace(text, 0); at < text.length; at = skipSpace(text, at)) {
    const chip = readChip(text, at)
    chips.push(chip)
    at = chip.to
  }
  if (chips.length > MOST_CHIPS)
    throw new AppError('query.invalid', `A question has at most ${MOST_CHIPS} words.`, { path: 'q' })
  return chips
}

function skipSpace(text: string, from: number): number {
  let at = from
  while (at < text.length && /\s/.test(text.charAt(at))) at++
  return at
}

function readChip(text: string, from: number): Chip {
  const isNot = text.charAt(from) === '-'
  const start = isNot ? from + 1 : from
  const colon = colonOf(text, start)
  const key = colon === undefined ? 'text' : text.slice(start, colon).toLowerCase()
  const { value, to } = readValue(text, colon === undefined ? start : colon + 1)
  if (value === '') {
    const example = colon === undefined ? '-agent:support-bot' : `${key}:…`
    throw fault(text, { from, to }, `Nothing follows "${text.slice(from, to)}": write it as ${example}`)
  }
  return { key, value, isNot, from, to }
}

/** Where the colon after a key stands; undefined where there is none before the word ends. */
function colonOf(text: string, start: number): number | undefined {
  let at = start
  while (at < text.length && !/[\s":]/.test(text.charAt(at))) at++
  return text.charAt(at) === ':' && at > start && KEY.test(text.slice(start, at)) ? at : undefined
}

function readValue(text: string, start: number): { value: string; to: number } {
  if (text.charAt(start) === '"') return readQuoted(text, start)
  let to = start
  while (to < text.length && !/\s/.test(text.charAt(to))) to++
  const value = text.slice(start, to)
  if (value.includes('"'))
    throw fault(text, { from: start, to }, 'A quote stands within a word: put the whole value in quotes')
  return { value, to }
}

function readQuoted(text: string, start: number): { value: string; to: number } {
  let value = ''
  for (let at = start + 1; at < text.length; at++) {
    const char = text.charAt(at)
    if (char === '\\' && /["\\]/.test(text.charAt(at + 1))) value += text.charAt(++at)
    else if (char === '"') {
      if (at + 1 < text.length && !/\s/.test(text.charAt(at + 1)))
        throw fault(text, { from: start, to: at + 1 }, 'A space must follow the closing quote')
      return { value, to: at + 1 }
    } else value += char
  }
  throw fault(text, { from: start, to: text.length }, 'The quote is not closed')
}

/** A fault in a question, with the place: `q@12` is what begins after twelve characters. */
export function fault(
  text: string,
  { from, to }: Pick<Chip, 'from' | 'to'>,
  sentence: string,
  more = '',
): AppError {
  const shown = text.slice(from, Math.min(to, from + 60))
  return new AppError('query.invalid', `${sentence}, at character ${from + 1}: ${shown}.${more}`, {
    path: `q@${from}`,
  })
}

/** Writes chips so that they are read as they are. */
export function writeChips(chips: readonly Pick<Chip, 'key' | 'value' | 'isNot'>[]): string {
  return chips
    .map(({ key, value, isNot }) => {
      const isPlain = value !== '' && !/[\s"]/.test(value) && (key !== 'text' || !/^-|:/.test(value))
      const written = isPlain ? value : `"${value.replace(/["\\]/g, '\\$&')}"`
      return `${isNot ? '-' : ''}${key === 'text' ? '' : `${key}:`}${written}`
    })
    .join(' ')
}
