import type { Wanted } from '@valetkey/sdk/contract'
import { AppError, didYouMean } from '@valetkey/sdk/core'
import type { Db } from '../../store/index.ts'
import { column, KIND, LONGEST_NAME, VERDICTS } from '../entry.ts'
import type { Question } from './asked.ts'
import type { Choice, RecordFilter } from './rows.ts'

/**
 * Finds the ids behind the names of a question. A name that nobody has is an error and not an empty answer: "nobody
 * touched it" must not come from a typing mistake. An id is taken as it is, for what it named may be gone.
 */
export async function resolveCalls(db: Db, question: Question): Promise<RecordFilter> {
  const { wanted, text, since, until } = question
  const organizations = await choose(wanted.organization, async name => [await findOrganization(db, name)])
  const among = organizations?.any ?? null
  const principals = (what: 'agent' | 'person' | 'owner') => (name: string) =>
    findPrincipals(db, what, name, among)
  const as = (path: string) => async (value: string) => [plain(path, value)]
  const agents = await choose(wanted.agent, principals('agent'))
  return {
    kinds: [KIND.attempt],
    logs: organizations,
    named: {
      actor: agents?.any ? agents : await agentsBehind(db, wanted.credential, agents),
      person: await choose(wanted.person, principals('person')),
      owner: await choose(wanted.owner, principals('owner')),
      target: await choose(wanted.server, name => findServers(db, name)),
      credential: await choose(wanted.credential, async id => [credentialId(id)]),
      grant_id: await choose(wanted.grant, as('grant')),
      action: await choose(wanted.tool, as('tool')),
      reason: await choose(wanted.reason, as('reason')),
      point: await choose(wanted.point, as('point')),
    },
    chain: await choose(wanted.chain, name => findLinks(db, name, among)),
    resources: await choose(wanted.resource, async path => [resourcePath(path)]),
    text,
    verdict: wanted.verdict && {
      any: anyOf(wanted.verdict)?.map(verdictNumber) ?? null,
      none: wanted.verdict.none.map(verdictNumber),
    },
    since: since ?? undefined,
    until: until ?? undefined,
  }
}

/** What the names of a filter stand for; of `any` nothing is left open once there is one. */
async function choose(
  wanted: Wanted | undefined,
  find: (name: string) => Promise<string[]>,
): Promise<Choice<string> | undefined> {
  if (!wanted) return undefined
  const found = async (names: readonly string[]) => {
    const all = new Set((await Promise.all(names.map(find))).flat())
    if (all.size <= MOST_FOUND) return [...all]
    throw new AppError(
      'query.invalid',
      `"${column(names[0] ?? '', 80)}" stands for more than ${MOST_FOUND}: name an organization, or an id.`,
      { path: 'q' },
    )
  }
  const any = anyOf(wanted)
  return { any: any && (await found(any)), none: await found(wanted.none) }
}

function anyOf({ any }: Wanted): readonly string[] | null {
  return any.length === 0 ? null : any
}

function verdictNumber(verdict: string): number {
  return (VERDICTS as readonly string[]).indexOf(verdict)
}

export async function findOrganization(db: Db, name: string): Promise<string> {
  const row = await db
    .selectFrom('organization')
    .select('id')
    .where(eb => eb.or([eb('id', '=', name), eb('slug', '=', name)]))
    .executeTakeFirst()
  if (row) return row.id
  const known = () => db.selectFrom('organization').select('slug as name').limit(MOST_MEANT).execute()
  return idOrUnknown('organization', name, 'org_', known)
}

export async function findPrincipals(
  db: Db,
  what: 'agent' | 'person' | 'owner',
  name: string,
  organizations: readonly string[] | null,
): Promise<string[]> {
  let all = db.selectFrom('principal').where('kind', what === 'agent' ? '=' : '!=', 'agent')
  if (organizations !== null) all = all.where('organizationId', 'in', [...organizations, ''])
  const rows = await all
    .select('id')
    .where(eb => eb.or([eb('id', '=', name), eb('externalId', '=', name)]))
    .limit(MOST_FOUND + 1)
    .execute()
  if (rows.length > 0) return rows.map(({ id }) => id)
  const known = () => all.select('externalId as name').limit(MOST_MEANT).execute()
  return [await idOrUnknown(what, name, what === 'agent' ? 'agt_' : 'usr_', known)]
}

/**
 * The agents that credentials belong to, for whom there is an index. Where one of them is not known (any more), or is no
 * credential of ours, nothing is said of agents, and more has to be looked through.
 */
async function agentsBehind(
  db: Db,
  credentials: Wanted | undefined,
  agents: Choice<string> | undefined,
): Promise<Choice<string> | undefined> {
  const ids = [...new Set(credentials?.any)]
  if (ids.length === 0) return agents
  const rows = await db.selectFrom('credential').select('agentId').where('id', 'in', ids).execute()
  if (rows.length < ids.length) return agents
  return { any: [...new Set(rows.map(({ agentId }) => agentId))], none: agents?.none ?? [] }
}

/** The delegations by which an agent let others act; records name those, and early ones the agent itself. */
async function findLinks(db: Db, name: string, organizations: readonly string[] | null): Promise<string[]> {
  if (name.startsWith('dlg_')) return [plain('chain', name)]
  const agents = await findPrincipals(db, 'agent', name, organizations)
  const links = await db
    .selectFrom('delegation')
    .select('id')
    .where('delegatorId', 'in', agents)
    .orderBy('id', 'desc')
    .limit(MOST_LINKS + 1)
    .execute()
  if (links.length > MOST_LINKS)
    throw new AppError(
      'query.invalid',
      `"${column(name, 80)}" has let others act more than ${MOST_LINKS} times: name a delegation, as dlg_….`,
      { path: 'chain' },
    )
  return [...agents, ...links.map(({ id }) => id)]
}

async function findServers(db: Db, name: string): Promise<string[]> {
  const row = await db
    .selectFrom('server')
    .select('id')
    .where(eb => eb.or([eb('id', '=', name), eb('name', '=', name)]))
    .executeTakeFirst()
  const known = () => db.selectFrom('server').select('name').limit(MOST_MEANT).execute()
  return [row?.id ?? (await idOrUnknown('server', name, 'srv_', known))]
}

/** Credentials have no names. One of ours, or the fingerprint of one that is not. */
function credentialId(text: string): string {
  if (!/^(crd|fp)_/.test(text))
    throw new AppError(
      'query.invalid',
      `"${column(text, 80)}" is not the id of a credential, as crd_…: "valetkey credential ls AGENT" shows those of an agent.`,
      { path: 'credential' },
    )
  return plain('credential', text)
}

/** So many names are looked at for one that was meant. */
const MOST_MEANT = 2_000
/** More make a list that no database likes. */
const MOST_LINKS = 5_000
/** With what a question names besides, below the number of values that databases take in one statement. */
const MOST_FOUND = 6_000

async function idOrUnknown(
  what: string,
  name: string,
  prefix: string,
  known: () => Promise<{ name: string }[]>,
): Promise<string> {
  if (name.startsWith(prefix)) return plain(what, name)
  const meant = didYouMean(
    name,
    (await known()).map(each => each.name),
  )
  throw new AppError('not_found', `No ${what} "${column(name, 80)}" is known.${meant}`, { path: what })
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
