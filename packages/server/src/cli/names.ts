import { ApiError } from '@valetkey/sdk/contract'
import { allPages, type Session } from './session.ts'

/** Gives the name that people know something by, where there is one. */
export type Names = (id: string) => string

/** How many are asked for one by one. */
const MOST = 100

/**
 * Names for ids of principals and API tokens in an answer: `maya@northwind.dev`, `support-bot`, `token:ci`. What
 * who asks may not look up stays an id.
 */
export async function namesOf(session: Session, ids: Iterable<string>): Promise<Names> {
  const wanted = new Set(ids)
  const of = (prefix: string) => [...wanted].filter(id => id.startsWith(prefix)).slice(0, MOST)
  const found = await Promise.all([
    of('tok_').length > 0 ? tokenNames(session) : [],
    of('grp_').length > 0 ? groupNames(session) : [],
    of('svc_').length > 0 ? serviceNames(session) : [],
    ...of('usr_').map(id => personName(session, id)),
    ...of('agt_').map(id => agentName(session, id)),
  ])
  const names = new Map(found.flat())
  return id => names.get(id) ?? id
}

type Named = [id: string, name: string][]

function tokenNames({ api }: Session): Promise<Named> {
  const all = allPages(page => api.apiTokens.list(page))
  return allowed(all.then(tokens => tokens.map(({ id, name }) => [id, `token:${name}`])))
}

function groupNames({ api, organization }: Session): Promise<Named> {
  const all = allPages(page => api.groups.list({ ...page, ...organization }))
  return allowed(all.then(groups => groups.map(({ id, name }) => [id, name])))
}

function serviceNames({ api, organization }: Session): Promise<Named> {
  const all = allPages(page => api.services.list({ ...page, ...organization }))
  return allowed(all.then(services => services.map(({ id, name }) => [id, name])))
}

function personName({ api, organization }: Session, id: string): Promise<Named> {
  return allowed(api.people.get({ ...organization, id }).then(({ email }) => [[id, email]]))
}

function agentName({ api, organization }: Session, id: string): Promise<Named> {
  return allowed(api.agents.get({ ...organization, id }).then(({ name }) => [[id, name]]))
}

async function allowed(names: Promise<Named>): Promise<Named> {
  try {
    return await names
  } catch (error) {
    if (error instanceof ApiError && (error.status === 403 || error.status === 404)) return []
    throw error
  }
}
