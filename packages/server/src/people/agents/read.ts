import { AppError, anyCovers, isoTime, ROOT_TYPE } from '@valetkey/sdk/core'
import { rootsOf } from '@valetkey/sdk/engine'
import type { Audit } from '../../audit/index.ts'
import { type Context, type Grant, listGrants, withIndex } from '../../directory/index.ts'
import type { Person } from '../account/person.ts'
import { namesOfRefs } from '../consent/reach.ts'

/** What the pages ask of the evidence. */
export type Evidence = Pick<Audit, 'calls' | 'who'>

const DAY_MS = 86_400_000
/** What is counted lies within this time. */
export const COUNTED_DAYS = 30

/** One thing that a person lets an agent do: at one server, or everywhere. */
export interface ActingGrant {
  id: string
  server: string | null
  /** What it may do today, in words. */
  may: string[]
  /** What it may do for a shorter time than the rest. */
  briefly: { label: string; until: number }[]
  /** What was given and the person does not hold any more. */
  lost: string[]
  /** Names of the resources that it is for; none is everything that the person reaches. */
  on: string[]
  until: number | null
  byAdministrator: boolean
  lastUsedAt: number | null
}

/** An agent that acts for a person. */
export interface ActingAgent {
  id: string
  name: string
  purpose: string
  owner: { id: string; name: string }
  /** It may do nothing at the moment, whatever it was given. */
  isStopped: boolean
  grants: ActingGrant[]
  /** Within the last thirty days; undefined where the evidence cannot be read. */
  calls: { permitted: number; refused: number; last: number | null } | undefined
}

/** Everything that acts for a person, the one that was used last first. */
export async function readAgents(ctx: Context, evidence: Evidence, person: Person): Promise<ActingAgent[]> {
  const grants = await readLive(ctx, person)
  const ids = [...new Set(grants.map(({ agent }) => agent))]
  if (ids.length === 0) return []
  const [rows, shown, calls] = await Promise.all([
    readRows(ctx, ids),
    describeGrants(ctx, person, grants),
    countCalls(ctx, evidence, person),
  ])
  const agents = rows.map(({ ownerId, ownerName, ownerStatus, status, ...agent }): ActingAgent => {
    const counted = calls && { permitted: 0, refused: 0, last: null, ...calls.get(agent.id) }
    return {
      ...agent,
      owner: { id: ownerId, name: ownerName },
      isStopped: status !== 'active' || ownerStatus !== 'active',
      grants: grants.filter(({ agent: id }) => id === agent.id).flatMap(({ id }) => shown.get(id) ?? []),
      calls: counted,
    }
  })
  return agents.sort((a, b) => lastUseOf(b) - lastUseOf(a) || (a.name < b.name ? -1 : 1))
}

export function lastUseOf({ grants, calls }: Pick<ActingAgent, 'grants' | 'calls'>): number {
  return Math.max(calls?.last ?? 0, ...grants.map(({ lastUsedAt }) => lastUsedAt ?? 0))
}

/** The last that an agent did for a person, newest first; undefined where the evidence cannot be read. */
export async function readCalls(ctx: Context, evidence: Evidence, person: Person, agent: string) {
  const question = { organization: person.organization.id, person: person.id, agent, limit: 20 }
  const found = await orUndefined(evidence.calls(question))
  if (!found) return undefined
  const names = await ctx.store.db.selectFrom('server').select(['id', 'name']).execute()
  const nameOf = new Map(names.map(({ id, name }) => [id, name]))
  return found.items.map(({ id, at, server, tool, method, resource, decision, enforced, reason }) => ({
    ...{ id, resource, reason, isPermitted: decision === 'permit' || !enforced },
    what: tool ?? method,
    at: Date.parse(at),
    server: nameOf.get(server) ?? server,
  }))
}

export type ActingCall = NonNullable<Awaited<ReturnType<typeof readCalls>>>[number]

type Grants = readonly Grant[]

async function readLive(ctx: Context, person: Person) {
  const filter = { organization: person.organization.id, person: person.id, status: 'live' as const }
  const { items } = await listGrants(ctx, { ...filter, limit: 200 })
  return items
}

function readRows({ store }: Context, ids: readonly string[]) {
  return store.db
    .selectFrom('agent')
    .innerJoin('principal', 'principal.id', 'agent.id')
    .innerJoin('principal as owner', 'owner.id', 'agent.ownerId')
    .select([
      'agent.id',
      'principal.name',
      'principal.status',
      'agent.purpose',
      'owner.id as ownerId',
      'owner.name as ownerName',
      'owner.status as ownerStatus',
    ])
    .where('agent.id', 'in', ids)
    .execute()
}

async function describeGrants(
  ctx: Context,
  person: Person,
  grants: Grants,
): Promise<Map<string, ActingGrant>> {
  const permissions = await readPermissions(ctx, person)
  const whole = `${ROOT_TYPE}/${person.organization.slug}`
  const shown = new Map<string, ActingGrant>()
  for (const grant of grants) {
    const on = grant.resources.filter(ref => ref !== whole)
    shown.set(grant.id, {
      ...mayBy(grant, permissions, ctx.now()),
      id: grant.id,
      server: grant.serverName,
      on: on.length === 0 ? [] : await namesOfRefs(ctx, person.organization.id, on),
      until: timeOf(grant.expiresAt),
      byAdministrator: grant.source === 'administrator',
      lastUsedAt: timeOf(grant.lastUsedAt),
    })
  }
  return shown
}

interface KnownPermission {
  slug: string
  label: string
  /** The person holds it somewhere, today. */
  isHeld: boolean
}

async function readPermissions(ctx: Context, person: Person): Promise<KnownPermission[]> {
  const rows = await ctx.store.db
    .selectFrom('permission')
    .select(['slug', 'label'])
    .where('retiredRevision', 'is', null)
    .orderBy('slug')
    .execute()
  return withIndex(ctx, { organization: person.organization.id }, ({ view }) =>
    rows.map(({ slug, label }) => {
      const held = rootsOf(view, { principal: person.seq, permission: slug, now: ctx.now() })
      return { slug, label: label || slug, isHeld: held.length > 0 }
    }),
  )
}

function mayBy({ scopes, elevated }: Grant, permissions: readonly KnownPermission[], now: number) {
  const given = permissions.filter(({ slug }) => anyCovers(scopes, slug))
  const labels = (isHeld: boolean) => given.filter(one => one.isHeld === isHeld).map(({ label }) => label)
  const briefly = permissions.flatMap(({ slug, label, isHeld }) => {
    const until = timeOf(elevated[slug] ?? null) ?? 0
    return until > now && isHeld ? [{ label, until }] : []
  })
  return { may: labels(true), lost: labels(false), briefly }
}

function timeOf(text: string | null): number | null {
  return text === null ? null : Date.parse(text)
}

async function countCalls(ctx: Context, evidence: Evidence, person: Person) {
  const since = isoTime(ctx.now() - COUNTED_DAYS * DAY_MS)
  const question = { organization: person.organization.id, person: person.id, since }
  const found = await orUndefined(evidence.who(question))
  if (!found) return undefined
  const counts = new Map<string, { permitted: number; refused: number; last: number }>()
  for (const { agent, permitted, refused, last } of found.rows) {
    const before = counts.get(agent ?? '')
    counts.set(agent ?? '', {
      permitted: (before?.permitted ?? 0) + permitted,
      refused: (before?.refused ?? 0) + refused,
      last: Math.max(before?.last ?? 0, Date.parse(last)),
    })
  }
  return counts
}

/** Evidence that cannot be read at the moment keeps nobody from stopping an agent. */
async function orUndefined<T>(asking: Promise<T>): Promise<T | undefined> {
  try {
    return await asking
  } catch (fault) {
    if (fault instanceof AppError && fault.code === 'audit.unavailable') return undefined
    throw fault
  }
}
