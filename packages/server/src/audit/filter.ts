import type { AdminApi, Parsed } from '@valetkey/sdk/contract'
import { AppError } from '@valetkey/sdk/core'
import { type Expression, type ExpressionBuilder, type SqlBool, sql } from 'kysely'
import type { Db } from '../store/index.ts'
import { column, MAX_TEXT, MAX_TOOL } from './entry.ts'
import type { AuditTables } from './tables.ts'

export type CallQuery = Parsed<AdminApi['audit']['who']>

/** A question with its names turned into ids, as they are named now. */
export interface CallFilter {
  organization: string | undefined
  agents: string[] | undefined
  persons: string[] | undefined
  owners: string[] | undefined
  servers: string[] | undefined
  tool: string | undefined
  resource: string | undefined
  verdict: CallQuery['verdict']
  reason: string | undefined
  since: number | undefined
  until: number | undefined
}

/**
 * Finds the ids behind the names of a question. A name that nobody has is an error and not an empty answer: "nobody
 * touched it" must not come from a typing mistake. An id is taken as it is, for what it named may be gone.
 */
export async function resolveFilter(db: Db, query: CallQuery): Promise<CallFilter> {
  const named = query.organization === undefined ? undefined : await findOrganization(db, query.organization)
  const agents = await findPrincipals(db, 'agent', query.agent, named)
  const persons = await findPrincipals(db, 'person', query.person, named)
  const owners = await findPrincipals(db, 'owner', query.owner, named)
  const homes = new Set(agents?.map(agent => agent.organization))
  return {
    // An agent belongs to one organization, and the indexes begin with it.
    organization: named ?? (homes.size === 1 ? [...homes][0] : undefined),
    agents: agents?.map(({ id }) => id),
    persons: persons?.map(({ id }) => id),
    owners: owners?.map(({ id }) => id),
    servers: await findServers(db, query.server),
    tool: plain('tool', query.tool, MAX_TOOL),
    resource: resourcePath(query.resource),
    verdict: query.verdict,
    reason: plain('reason', query.reason),
    since: query.since === undefined ? undefined : Date.parse(query.since),
    until: query.until === undefined ? undefined : Date.parse(query.until),
  }
}

/** The `where` of a question over `audit_call`; `until` is not part of the range, so that days can be lined up. */
export function callsMatching(filter: CallFilter) {
  return (eb: ExpressionBuilder<AuditTables, 'auditCall'>) => {
    const all: Expression<SqlBool>[] = []
    const { organization, agents, persons, owners, servers, tool, resource, verdict, reason, since, until } =
      filter
    if (resource !== undefined) all.push(eb('auditCall.seq', 'in', seqsNaming(resource, organization)))
    else if (organization !== undefined) all.push(eb('auditCall.organization', '=', organization))
    if (agents) all.push(eb('agent', 'in', agents))
    if (persons) all.push(eb('person', 'in', persons))
    if (owners) all.push(eb('owner', 'in', owners))
    if (servers) all.push(eb('server', 'in', servers))
    if (tool !== undefined) all.push(eb('tool', '=', tool))
    if (verdict !== undefined) all.push(eb('verdict', '=', verdict))
    if (reason !== undefined) all.push(eb('reason', '=', reason))
    if (since !== undefined) all.push(eb('auditCall.at', '>=', since))
    if (until !== undefined) all.push(eb('auditCall.at', '<', until))
    return eb.and(all)
  }
}

/**
 * Calls that name the resource or one below it, first or among others. The organization is asked for in here and not
 * beside it: SQLite would rather walk all calls of the organization than this small set.
 */
function seqsNaming(resource: string, organization: string | undefined) {
  const of = (column: string) =>
    organization === undefined ? sql`` : sql`${sql.ref(column)} = ${organization} and`
  return sql<number>`(
    select seq from audit_call where ${of('auditCall.organization')} ${isWithin('auditCall.resource', resource)}
    union all
    select seq from audit_resource join audit_call on audit_call.id = audit_resource.call
    where ${of('auditResource.organization')} ${isWithin('auditResource.resource', resource)})`
}

/**
 * One range of the index, from `resource` to the last that begins with `resource/` (`0` is the character after `/`),
 * without what lies between the two. No pattern, so nothing in it is a wildcard.
 */
function isWithin(column: 'auditCall.resource' | 'auditResource.resource', resource: string) {
  const named = sql.ref(column)
  return sql<SqlBool>`${named} >= ${resource} and ${named} < ${`${resource}0`}
    and (${named} = ${resource} or ${named} >= ${`${resource}/`})`
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

async function findServers(db: Db, name: string | undefined): Promise<string[] | undefined> {
  if (name === undefined) return undefined
  const row = await db
    .selectFrom('server')
    .select('id')
    .where(eb => eb.or([eb('id', '=', name), eb('name', '=', name)]))
    .executeTakeFirst()
  return [row?.id ?? idOrUnknown('server', name, 'srv_')]
}

function idOrUnknown(what: string, name: string, prefix: string): string {
  if (name.startsWith(prefix)) return plain(what, name) ?? name
  throw new AppError('not_found', `No ${what} "${column(name, 80)}" is known.`, { path: what })
}

/** A text to compare with a column. Columns are cut, so a text that comes near their length could match too much. */
function plain(path: string, text: string | undefined, max = MAX_TEXT): string | undefined {
  if (text !== undefined && text.length > max - 100)
    throw new AppError('request.invalid', `At most ${max - 100} characters can be searched for.`, { path })
  return text === undefined ? undefined : column(text, max)
}

function resourcePath(resource: string | undefined): string | undefined {
  const path = plain('resource', resource)?.replace(/\/+$/, '')
  if (path === '') throw new AppError('request.invalid', 'The resource path is empty.', { path: 'resource' })
  return path
}
