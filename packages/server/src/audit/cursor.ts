import { AppError, canonicalJson } from '@valetkey/sdk/core'
import type { Store } from '../store/index.ts'

/** A place in a list that is ordered by time and arrival, newest first. */
export interface Place {
  at: number
  seq: number
  /** When the first page was asked for. */
  askedAt: number
}

interface Question {
  limit: number
  cursor?: string | undefined
}

/** What a cursor is sealed for: it continues the question that it was given for and no other. */
function purpose(list: string, query: Question): string {
  const { limit: _limit, cursor: _cursor, ...question } = query
  return `cursor:audit.${list}:${canonicalJson(question)}`
}

export function toCursor(store: Store, list: string, query: Question, { at, seq, askedAt }: Place): string {
  return store.secrets.seal(`${at}.${seq}.${askedAt}`, purpose(list, query))
}

/** Where a page begins; refuses a cursor that was made up, changed, or given for another question. */
export function fromCursor(store: Store, list: string, query: Question): Place | undefined {
  if (query.cursor === undefined) return undefined
  try {
    const [at, seq, askedAt] = store.secrets.open(query.cursor, purpose(list, query)).split('.').map(Number)
    return { at: at ?? 0, seq: seq ?? 0, askedAt: askedAt ?? 0 }
  } catch (cause) {
    const message = 'The cursor does not belong to this question.'
    throw new AppError('request.invalid', message, { path: 'cursor', cause })
  }
}
