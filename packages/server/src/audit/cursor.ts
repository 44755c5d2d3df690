import { AppError, canonicalJson } from '@valetkey/sdk/core'
import type { Store } from '../store/index.ts'

/** A place in a list that is ordered by time and arrival, newest first. */
export interface Place {
  at: number
  seq: number
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

export function toCursor(store: Store, list: string, query: Question, { at, seq }: Place): string {
  return store.secrets.seal(`${at}.${seq}`, purpose(list, query))
}

/** Where a page begins; refuses a cursor that was made up, changed, or given for another question. */
export function fromCursor(store: Store, list: string, query: Question): Place | undefined {
  if (query.cursor === undefined) return undefined
  try {
    const [at, seq] = store.secrets.open(query.cursor, purpose(list, query)).split('.')
    return { at: Number(at), seq: Number(seq) }
  } catch (cause) {
    const message = 'The cursor does not belong to this question.'
    throw new AppError('request.invalid', message, { path: 'cursor', cause })
  }
}
