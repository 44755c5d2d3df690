import { AuthorizationDetail, boundsOf, DETAIL_TYPES, intersectScopes } from '@valetkey/sdk/core'
import { errors, type KoaContext } from 'oidc-provider'
import * as z from 'zod'
import type { Store } from '../../store/index.ts'
import { canonicalResource, type Target } from '../token/target.ts'
import { available } from '../trouble.ts'

const MOST_DETAILS = 50
const Details = z.array(AuthorizationDetail).min(1).max(MOST_DETAILS)

/** What a request wants in detail (RFC 9396), and what that leaves of the server. */
export interface RequestedDetails {
  readonly list: readonly AuthorizationDetail[]
  /** The tools that are meant, each with the permission that it needs; null for all. */
  readonly tools: readonly { name: string; permission: string }[] | null
  /** The resources that are meant, as `customer/acme`; null for all. */
  readonly resources: readonly string[] | null
  /** The permissions that are any use with these tools and on these resources. */
  readonly permissions: readonly string[]
}

/** Reads the parameter; whatever is of no type here, or says more than its type does, is refused. */
export function parseDetails(text: string): AuthorizationDetail[] {
  const parsed = Details.safeParse(parseJson(text))
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  const [at, ...path] = issue?.path ?? []
  const where = at === undefined ? 'authorization_details' : `authorization_details[${String(at)}]`
  throw refused(`${[where, ...path].join('.')}: ${issue?.message ?? 'not a list of details'}`)
}

/** What the details of a request come to on a server. */
export async function resolveDetails(
  store: Store,
  target: Target,
  list: readonly AuthorizationDetail[],
): Promise<RequestedDetails> {
  const bounds = boundsOf(list)
  const actions = actionsOf(list)
  for (const action of actions ?? [])
    if (!target.scopes.includes(action)) throw refused(`${action} is nothing that this server needs`)
  for (const detail of list)
    if (detail.type === 'mcp_tool' && detail.locations && !isAt(target, detail.locations))
      throw refused(`${detail.identifier}: the server is another than the resource of the request`)
  const tools = bounds.tools && (await findTools(store, target, bounds.tools))
  const ofTools = tools?.map(({ permission }) => permission) ?? target.scopes
  const permissions = actions ? ofTools.filter(permission => actions.includes(permission)) : ofTools
  return { list, tools, resources: bounds.resources, permissions: [...new Set(permissions)] }
}

/**
 * What is granted of the details: tools and resources that were let, each in full. All were asked for, so that nothing can be added.
 */
export function grantedOf(
  { list, tools }: RequestedDetails,
  target: Pick<Target, 'audience'>,
  given: { scopes: readonly string[]; resources: readonly string[] },
): AuthorizationDetail[] {
  const granted = list.flatMap((detail): AuthorizationDetail[] => {
    if (detail.type === 'resource') {
      const actions = detail.actions?.filter(action => given.scopes.includes(action))
      const isGiven = given.resources.includes(detail.identifier) && actions?.length !== 0
      return isGiven ? [{ ...detail, ...(actions && { actions }) }] : []
    }
    const permission = tools?.find(({ name }) => name === detail.identifier)?.permission ?? ''
    const whole = { ...detail, locations: [target.audience], actions: ['call' as const] }
    return given.scopes.includes(permission) ? [whole] : []
  })
  // An empty list would bound nothing.
  if (granted.length === 0) throw new Error('something was granted, and none of what was asked for in detail')
  return granted
}

/** Of what was granted, what a token request wants: every detail of it has to be within one that was granted. */
export function narrowDetails(
  granted: readonly AuthorizationDetail[] | null,
  wanted: string | undefined,
): readonly AuthorizationDetail[] | null {
  if (wanted === undefined) return granted
  const narrowed = parseDetails(wanted).map(detail => {
    const found = narrowDetail(detail, granted ?? [])
    if (!found) throw refused(`${detail.identifier} was not granted`)
    return found
  })
  // Naming resources alone leaves the tools as they were granted, and the other way round.
  const kept = granted?.filter(({ type }) => !narrowed.some(detail => detail.type === type)) ?? []
  return [...narrowed, ...kept]
}

/**
 * What a wanted detail comes to within those that were granted; undefined where it is beyond them. By type: a tool is its name,
 * a resource its reference and no more actions. Where nothing of a type was granted in detail, all of it was.
 */
function narrowDetail(
  wanted: AuthorizationDetail,
  granted: readonly AuthorizationDetail[],
): AuthorizationDetail | undefined {
  const sameType = granted.filter(({ type }) => type === wanted.type)
  if (sameType.length === 0) return wanted
  const found = sameType.find(({ identifier }) => identifier === wanted.identifier)
  if (found?.type !== 'resource' || wanted.type !== 'resource') return found
  const { actions = found.actions } = wanted
  const isWithin = found.actions === undefined || actions?.every(action => found.actions?.includes(action))
  return isWithin ? { ...found, ...(actions && { actions }) } : undefined
}

/** The scopes that are any use within details: where resources name actions, these. */
export function scopesWithin(
  details: readonly AuthorizationDetail[] | null,
  scopes: readonly string[],
): readonly string[] {
  const actions = details && actionsOf(details)
  return actions ? intersectScopes(scopes, actions) : scopes
}

/** What oidc-provider has to be told: it calls back for each detail, and keeps none of them. */
export function richAuthorizationRequests(options: {
  store: Store
  findTargetNow: (resource: string) => Promise<Target | undefined>
}) {
  const none = () => undefined
  const validate = async (ctx: KoaContext) => {
    const { authorization_details: text, resource } = ctx.oidc.params
    const list = parseDetails(String(text))
    const target = typeof resource === 'string' ? await available(options.findTargetNow(resource)) : undefined
    // An unknown server is refused as such, a step later.
    if (target) await available(resolveDetails(options.store, target, list))
  }
  return {
    enabled: true,
    types: Object.fromEntries(DETAIL_TYPES.map(type => [type, { validate }])),
    authorizationDetailsForGrantSource: none,
    authorizationDetailsForAccessToken: none,
    authorizationDetailsForIntrospection: none,
  }
}

/** The permissions that all resources are asked for; undefined where none are named. A grant holds the same on each of its resources. */
function actionsOf(list: readonly AuthorizationDetail[]): readonly string[] | undefined {
  const [first, ...others] = list.flatMap(detail => (detail.type === 'resource' ? [detail.actions] : []))
  const text = (actions: readonly string[] | undefined) => [...new Set(actions)].sort().join(' ')
  if (others.some(actions => text(actions) !== text(first)))
    throw refused('the resources of one request have to name the same actions')
  return first
}

async function findTools({ db }: Store, target: Target, names: readonly string[]) {
  const rows = await db
    .selectFrom('tool')
    .innerJoin('permission', 'permission.id', 'tool.permissionId')
    .select(['tool.name', 'permission.slug as permission'])
    .where('tool.serverId', '=', target.server)
    .where('tool.kind', '=', 'tool')
    .where('tool.name', 'in', [...new Set(names)])
    .where('permission.retiredRevision', 'is', null)
    .execute()
  for (const name of names)
    if (!rows.some(row => row.name === name)) throw refused(`${name} is no tool of this server`)
  return rows
}

function isAt({ audience }: Target, locations: readonly string[]): boolean {
  return locations.every(location => canonicalResource(location) === canonicalResource(audience))
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function refused(description: string): Error {
  return new errors.InvalidAuthorizationDetails(description)
}
