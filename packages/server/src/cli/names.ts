import { ApiError } from '@valetkey/sdk/contract'
import { allPages, type Session } from './session.ts'

/** Gives the name that people know something by, where there is one. */
export type Names = (id: string) => string

/** How many people are asked for one by one. */
const MOST = 100

/**
 * Names for ids of people and API tokens in an answer: `maya@northwind.dev`, `token:ci`. What who asks may not look up
 * stays an id.
 */
export async function namesOf(session: Session, ids: Iterable<string>): Promise<Names> {
  const wanted = new Set(ids)
  const people = [...wanted].filter(id => id.startsWith('usr_')).slice(0, MOST)
  const found = await Promise.all([
    [...wanted].some(id => id.startsWith('tok_')) ? tokenNames(session) : [],
    ...people.map(id => personName(session, id)),
  ])
  const names = new Map(found.flat())
  return id => names.get(id) ?? id
}

type Named = [id: string, name: string][]

function tokenNames({ api }: Session): Promise<Named> {
  const all = allPages(page => api.apiTokens.list(page))
  return allowed(all.then(tokens => tokens.map(({ id, name }) => [id, `token:${name}`])))
}

function personName({ api, organization }: Session, id: string): Promise<Named> {
  return allowed(api.people.get({ ...organization, id }).then(({ email }) => [[id, email]]))
}

async function allowed(names: Promise<Named>): Promise<Named> {
  try {
    return await names
  } catch (error) {
    if (error instanceof ApiError && (error.status === 403 || error.status === 404)) return []
    throw error
  }
}
