import { AppError, CATALOGUE, didYouMean, type IdKind, isId } from '@valetkey/sdk/core'
import { type Db, prepareQuery } from '../store/index.ts'
import type { Row } from './fact-of.ts'

/** A text from a caller as it may appear in a sentence: short, on one line, with everything invisible spelt out. */
export function quote(text: string): string {
  const short = text.length > 80 ? `${text.slice(0, 80)}…` : text
  return `"${short.replace(/[^\p{L}\p{N}\p{P}\p{S} ]|["\\]/gu, escapeCharacter)}"`
}

function escapeCharacter(character: string): string {
  if (character === '"' || character === '\\') return `\\${character}`
  return `\\u{${character.codePointAt(0)?.toString(16)}}`
}

/** Names are compared without regard to the case of A to Z; other letters never fold onto them. */
export function foldName(name: string): string {
  return name.replace(/[A-Z]/g, letter => letter.toLowerCase())
}

const organizations = (db: Db) =>
  db
    .selectFrom('organization')
    .select(['id', 'seq', 'slug', 'name', 'status', 'revision', 'nextPrincipalSeq', 'nextResourceSeq'])
    .select(['createdAt', 'consentPolicy'])
    .where('id', '!=', CATALOGUE)
const organizationById = prepareQuery((db, { ref }: { ref: string }) =>
  organizations(db).where('id', '=', ref),
)
const organizationBySlug = prepareQuery((db, { ref }: { ref: string }) =>
  organizations(db).where('slug', '=', ref),
)
const someOrganizations = prepareQuery(db => organizations(db).orderBy('slug').limit(11))

/** Finds the organization that a caller names by id or slug; without a name, the only one there is. */
export async function getOrganization(db: Db, ref: string | undefined): Promise<Row<'organization'>> {
  if (ref !== undefined) {
    const find = isId(ref, 'organization') ? organizationById : organizationBySlug
    const [found] = await find(db, { ref })
    if (!found) throw new AppError('not_found', `No organization ${quote(ref)}.`)
    return found
  }
  const some = await someOrganizations(db, {})
  const [only] = some
  if (!only) throw new AppError('request.invalid', 'There is no organization yet. Create one first.')
  if (some.length === 1) return only
  const names = some.slice(0, 10).map(({ slug }) => slug)
  const more = some.length > 10 ? ', …' : ''
  throw new AppError('request.invalid', `Name the organization: ${names.join(', ')}${more}.`, {
    path: 'organization',
  })
}

export type PrincipalKind = Row<'principal'>['kind']

/** What ids of a kind of principal begin with. */
export const ID_KINDS: Record<PrincipalKind, IdKind & string> = {
  user: 'person',
  agent: 'agent',
  service: 'service',
  group: 'group',
}

const principals = (db: Db) =>
  db
    .selectFrom('principal')
    .select(['organizationId', 'seq', 'id', 'kind', 'externalId', 'name', 'status', 'managedBy'])
    .select(['createdAt', 'sessionEpoch'])
const principalById = prepareQuery((db, { kind, ref }: { kind: PrincipalKind; ref: string }) =>
  principals(db).where('id', '=', ref).where('kind', '=', kind),
)
const principalByName = prepareQuery((db, of: { organization: string; kind: PrincipalKind; name: string }) =>
  principals(db)
    .where('organizationId', '=', of.organization)
    .where('kind', '=', of.kind)
    .where('externalId', '=', of.name),
)

/** A principal of one organization, by its kind and by id or name (a person's name is the email address). */
export async function getPrincipal(
  db: Db,
  organization: Pick<Row<'organization'>, 'id' | 'slug'>,
  kind: PrincipalKind,
  ref: string,
): Promise<Row<'principal'>> {
  const [found] = isId(ref, ID_KINDS[kind])
    ? await principalById(db, { kind, ref })
    : await principalByName(db, { organization: organization.id, kind, name: foldName(ref) })
  if (found?.organizationId === organization.id) return found
  throw new AppError('not_found', `No ${ID_KINDS[kind]} ${quote(ref)} in ${organization.slug}.`)
}

/**
 * What a caller means by a principal: `user:ada@northwind.test`, `agent:support-bot`, `group:finance`,
 * `service:billing`, an id of any of them, an email address, or the name of an agent.
 */
export function parsePrincipalRef(ref: string): { kind: PrincipalKind; name: string } {
  const named = /^(user|agent|group|service):(.+)$/s.exec(ref)
  if (named?.[1] && named[2]) return { kind: named[1] as PrincipalKind, name: named[2] }
  for (const kind of Object.keys(ID_KINDS) as PrincipalKind[])
    if (isId(ref, ID_KINDS[kind])) return { kind, name: ref }
  return { kind: ref.includes('@') ? 'user' : 'agent', name: ref }
}

/** A principal of one organization, of whatever kind, by reference. */
export function getPrincipalByRef(
  db: Db,
  organization: Pick<Row<'organization'>, 'id' | 'slug'>,
  ref: string,
): Promise<Row<'principal'>> {
  const { kind, name } = parsePrincipalRef(ref)
  return getPrincipal(db, organization, kind, name)
}

/**
 * A principal by id, wherever it is, or by name within the organization that is named or the only one. With both an id
 * and an organization, the two must belong together.
 */
export async function locatePrincipal(
  db: Db,
  kind: PrincipalKind,
  ref: string,
  organization: string | undefined,
): Promise<Row<'principal'>> {
  const prefix = ID_KINDS[kind]
  if (organization !== undefined || !isId(ref, prefix))
    return getPrincipal(db, await getOrganization(db, organization), kind, ref)
  const [found] = await principalById(db, { kind, ref })
  if (!found) throw new AppError('not_found', `No ${prefix} ${quote(ref)}.`)
  return found
}

/** Finds an MCP server by id or name. */
export async function getServer(db: Db, ref: string): Promise<Row<'server'>> {
  const found = await db
    .selectFrom('server')
    .selectAll()
    .where(isId(ref, 'server') ? 'id' : 'name', '=', ref)
    .executeTakeFirst()
  if (!found) throw new AppError('not_found', `No MCP server ${quote(ref)}.`)
  return found
}

const resourceTypes = (db: Db) => db.selectFrom('resourceType').select(['id', 'slug', 'name', 'instances'])
const resourceTypeById = prepareQuery((db, { ref }: { ref: string }) =>
  resourceTypes(db).where('id', '=', ref),
)
const resourceTypeBySlug = prepareQuery((db, { ref }: { ref: string }) =>
  resourceTypes(db).where('slug', '=', ref),
)

/** Finds a resource type by id or slug. */
export async function getResourceType(db: Db, ref: string): Promise<Row<'resourceType'>> {
  const find = isId(ref, 'resourceType') ? resourceTypeById : resourceTypeBySlug
  const [found] = await find(db, { ref })
  if (found) return found
  const slugs = await db.selectFrom('resourceType').select('slug').execute()
  const meant = didYouMean(
    ref.slice(0, 80),
    slugs.map(({ slug }) => slug),
  )
  throw new AppError('not_found', `No resource type ${quote(ref)}.${meant}`)
}

const rolesOf = (db: Db, organization: string) =>
  db
    .selectFrom('role')
    .select(['id', 'organizationId', 'slug', 'name', 'typeId'])
    .where('organizationId', 'in', [organization, CATALOGUE])
const rolesById = prepareQuery((db, { organization, ref }: { organization: string; ref: string }) =>
  rolesOf(db, organization).where('id', '=', ref),
)
const rolesBySlug = prepareQuery((db, { organization, ref }: { organization: string; ref: string }) =>
  rolesOf(db, organization).where('slug', '=', ref),
)

/** Finds a role by id or slug: one of the organization's own, else one of the catalogue. */
export async function getRole(db: Db, ref: string, organizationId: string = CATALOGUE): Promise<Row<'role'>> {
  const find = isId(ref, 'role') ? rolesById : rolesBySlug
  const found = await find(db, { organization: organizationId, ref })
  const own = found.find(role => role.organizationId === organizationId) ?? found[0]
  if (!own) throw new AppError('not_found', `No role ${quote(ref)}.`)
  return own
}
