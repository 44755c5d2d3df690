import {
  type AdminApi,
  type CallQuestion,
  FILTERS,
  type FilterKey,
  isZone,
  type Output,
  type Parsed,
  parseQuery,
  timeIn,
  writeChips,
} from '@valetkey/sdk/contract'
import { AppError } from '@valetkey/sdk/core'

export type CallQuery = Omit<Parsed<AdminApi['audit']['calls']>, 'limit' | 'cursor' | 'zone'> & {
  zone?: string
}
type Asked = Output<AdminApi['audit']['who']>['asked']

/** A question as it is answered: what was asked in words and by members, in one. */
export interface Question extends CallQuestion {
  zone: string
}

/** Reads a question that came by the API; relative times count from `now`. */
export function readQuestion(query: CallQuery, now: number): Question {
  const { q = '', zone = 'UTC', text, since, until } = query
  if (!isZone(zone))
    throw new AppError('query.invalid', 'There is no such time zone. Name one as Europe/Berlin, or UTC.', {
      path: 'zone',
    })
  const question = parseQuery(q, { now, zone })
  for (const key of Object.keys(FILTERS) as FilterKey[]) {
    const value = query[key]
    if (value === undefined) continue
    if (question.wanted[key]) throw twice(key)
    question.wanted[key] = { any: [value], none: [] }
  }
  if (text !== undefined) question.text.all.push(text)
  if ((since ?? until) !== undefined) {
    if ((question.since ?? question.until) !== null) throw twice(since === undefined ? 'until' : 'since')
    question.since = since === undefined ? null : Date.parse(since)
    question.until = until === undefined ? null : Date.parse(until)
  }
  return { ...question, zone }
}

function twice(key: string): AppError {
  return new AppError('query.invalid', `"${key}" stands in q and beside it: choose one.`, { path: key })
}

/** The question as it was understood. */
export function toAsked({ wanted, text, since, until, zone }: Question): Asked {
  const chips = (Object.keys(FILTERS) as FilterKey[]).flatMap(key =>
    chipsOf(key, wanted[key]?.any ?? [], wanted[key]?.none ?? []),
  )
  const at = (time: number | null) => (time === null ? null : timeIn(zone, time))
  return {
    q: writeChips([...chips, ...chipsOf('text', text.all, text.none)]),
    ...{ zone, since: at(since), until: at(until) },
  }
}

function chipsOf(key: string, any: readonly string[], none: readonly string[]) {
  return [
    ...any.map(value => ({ key, value, isNot: false })),
    ...none.map(value => ({ key, value, isNot: true })),
  ]
}
