import type { AdminApi, Parsed } from '@valetkey/sdk/contract'
import { AppError } from '@valetkey/sdk/core'
import type { Db } from '../../store/index.ts'
import { column, KIND, LONGEST_NAME, VERDICTS } from '../entry.ts'
import type { RecordFilter } from './rows.ts'

export type CallQuery = Omit<Parsed<AdminApi['audit']['calls']>, 'limit' | 'cursor'>

/**
 * Finds the ids behind the names of a question. A name that nobody has is an error and not an empty answer: "nobody
 * touched it" must not come from a typing mistake. An id is taken as it is, for what it named may be gone.
 */
export async function resolveCalls(db: Db, query: CallQuery): Promise<RecordFilter> {
  const { verdict, since, until } = query
  const organization =
    query.organization === undefined ? undefined : await findOrganization(db, query.organization)
  const agents = await findPrincipals(db, 'agent', query.agent, organization)
  const persons = await findPrincipals(db, 'person', query.person, organization)
  const owners = await findPrincipals(db, 'owner', query.owner, organization)
  const chain = await findPrincipals(db, 'agent', query.chain, organization)
  const homes = new Set(agents?.map(agent => agent.organization))
  // An agent belongs to one organization, and the indexes begin with it.
  const home = organization ?? (homes.size === 1 ? [...homes][0] : undefined)
  const named: RecordFilter['named'] = {}
  if (agents) named.actor = agents.map(({ id }) => id)
  if (persons) named.person = persons.map(({ id }) => id)
  if (owners) named.owner = owners.map(({ id }) => id)
  if (query.server !== undefined) named.target = await findServers(db, query.server)
  if (query.grant !== undefined) named.grant_id = [plain('grant', query.grant)]
  if (query.tool !== undefined) named.action = [plain('tool', query.tool)]
  if (query.reason !== undefined) named.reason = [plain('reason', query.reason)]
  return {
    kinds: [KIND.attempt],
    logs: home === undefined ? undefined : [home],
    named,
    chain: chain?.[0]?.id,
    resource: query.resource === undefined ? undefined : resourcePath(query.resource),
    text: query.text,
    verdict: verdict === undefined ? undefined : VERDICTS.indexOf(verdict),
    since: since === undefined ? undefined : Date.parse(since),
    until: until === undefined ? undefined : Date.parse(until),
  }
}

export async function findOrganization(db: Db, name: string): Promise<string> {
  const row = await db
    .selectFrom('organization')
    .select('id')
    .where(eb => eb.or([eb('id', '=', name), eb('slug', '=', name)]))
    .executeTakeFirst()
  return row?.id ?? idOrUnknown('organization', name, 'org_')
}

async function findPrincipals(
  db: Db,
  what: 'agent' | 'person' | 'owner',
  name: string | undefined,
  organization: string | undefined,
): Promise<{ id: string; organization: string | undefined }[] | undefined> {
  if (name === undefined) return undefined
  let found = db
    .selectFrom('principal')
    .select(['id', 'organizationId as organization'])
    .where('kind', what === 'agent' ? '=' : '!=', 'agent')
    .where(eb => eb.or([eb('id', '=', name), eb('externalId', '=', name)]))
  if (organization !== undefined) found = found.where('organizationId', '=', organization)
  const rows = await found.execute()
  if (rows.length > 0) return rows
  return [{ id: idOrUnknown(what, name, what === 'agent' ? 'agt_' : 'usr_'), organization: undefined }]
}

async function findServers(db: Db, name: string): Promise<string[]> {
  const row = await db
    .selectFrom('server')
    .select('id')
    .where(eb => eb.or([eb('id', '=', name), eb('name', '=', name)]))
    .executeTakeFirst()
  return [row?.id ?? idOrUnknown('server', name, 'srv_')]
}

function idOrUnknown(what: string, name: string, prefix: string): string {
  if (name.startsWith(prefix)) return plain(what, name)
  throw new AppError('not_found', `No ${what} "${column(name, 80)}" is known.`, { path: what })
}

/** A text to compare with a name. Names are cut, so a text that comes near their length could match too much. */
function plain(path: string, text: string): string {
  if (text.length > LONGEST_NAME - 100)
    throw new AppError('request.invalid', `At most ${LONGEST_NAME - 100} characters can be searched for.`, {
      path,
    })
  return column(text)
}

const LONGEST_PATH = 400

function resourcePath(resource: string): string {
  const path = column(resource).replace(/\/+$/, '')
  if (path === '' || path.length > LONGEST_PATH)
    throw new AppError('request.invalid', 'A resource is written as customer/acme.', { path: 'resource' })
  return path
}
