import { AppError, isId } from '@valetkey/sdk/core'
import type { Db } from '../../store/index.ts'
import type { Context } from '../context.ts'
import type { Row } from '../fact-of.ts'
import type { InputOf, OutputOf } from '../operation.ts'
import { readPage } from '../page.ts'
import { getOrganization, getPrincipal, quote } from '../reference.ts'
import { readRefs } from '../resources/resource-tree.ts'

type Delegation = OutputOf<'delegations', 'get'>

function links(db: Db) {
  return db
    .selectFrom('delegation')
    .innerJoin('principal as delegator', 'delegator.id', 'delegation.delegatorId')
    .innerJoin('principal as delegate', 'delegate.id', 'delegation.delegateId')
    .innerJoin('credential', 'credential.id', 'delegation.credentialId')
    .leftJoin('grant', 'grant.id', 'delegation.grantId')
    .selectAll('delegation')
    .select([
      'delegator.name as delegatorName',
      'delegator.status as delegatorStatus',
      'delegate.name as delegateName',
      'credential.revokedAt as credentialRevokedAt',
      'credential.frozenAt as credentialFrozenAt',
      'grant.revokedAt as grantRevokedAt',
      'grant.frozenAt as grantFrozenAt',
      'grant.expiresAt as grantExpiresAt',
    ])
}

type LinkRow = Awaited<ReturnType<ReturnType<typeof links>['executeTakeFirstOrThrow']>>

export async function listDelegations(
  ctx: Context,
  input: InputOf<'delegations', 'list'>,
): Promise<OutputOf<'delegations', 'list'>> {
  const { db } = ctx.store
  const organization = await getOrganization(db, input.organization)
  const agent = input.agent ? await getPrincipal(db, organization, 'agent', input.agent) : undefined
  const find = (after: string, limit: number) => {
    let query = links(db)
      .where('delegation.organizationId', '=', organization.id)
      .where('delegation.id', '>', after)
    if (input.live) query = query.where('delegation.endedAt', 'is', null)
    if (agent)
      query = query.where(eb => eb.or([eb('delegatorId', '=', agent.id), eb('delegateId', '=', agent.id)]))
    return query.orderBy('delegation.id').limit(limit).execute()
  }
  const list = `delegations:${organization.id}:${agent?.id}:${input.live}`
  const page = await readPage(ctx, list, input, find, row => row)
  const items = await describe(ctx, db, page.items)
  return { items: input.live ? items.filter(({ status }) => status === 'live') : items, next: page.next }
}

export async function showDelegation(
  ctx: Context,
  input: InputOf<'delegations', 'get'>,
): Promise<Delegation> {
  const { id } = await locateDelegation(ctx.store.db, input)
  return readDelegation(ctx, ctx.store.db, id)
}

export async function readDelegation(ctx: Context, db: Db, id: string): Promise<Delegation> {
  const row = await links(db).where('delegation.id', '=', id).executeTakeFirstOrThrow()
  const [delegation] = await describe(ctx, db, [row])
  if (!delegation) throw new Error(`unreachable: delegation ${id} was read`)
  return delegation
}

export async function locateDelegation(
  db: Db,
  input: { id: string; organization?: string | undefined },
): Promise<Row<'delegation'>> {
  const organization =
    input.organization === undefined ? undefined : await getOrganization(db, input.organization)
  const found = isId(input.id, 'delegation')
    ? await db.selectFrom('delegation').selectAll().where('id', '=', input.id).executeTakeFirst()
    : undefined
  if (!found || (organization && found.organizationId !== organization.id))
    throw new AppError('not_found', `No delegation ${quote(input.id)}.`)
  return found
}

/** All links from the root down to one, itself included, by the link at the end. */
export async function readPaths(db: Db, ids: readonly string[]): Promise<Map<string, string[]>> {
  const paths = new Map<string, string[]>()
  if (ids.length === 0) return paths
  const rows = await db
    .selectFrom('delegationPath')
    .selectAll()
    .where('delegationId', 'in', ids)
    .orderBy('delegationId')
    .orderBy('position')
    .execute()
  for (const { delegationId, ancestorId } of rows)
    paths.set(delegationId, [...(paths.get(delegationId) ?? []), ancestorId])
  return paths
}

async function describe(ctx: Context, db: Db, rows: readonly LinkRow[]): Promise<Delegation[]> {
  const [first] = rows
  if (!first) return []
  const paths = await readPaths(
    db,
    rows.map(({ id }) => id),
  )
  const above = [...new Set([...paths.values()].flat())]
  const known = new Map(rows.map(row => [row.id, row]))
  const missing = above.filter(id => !known.has(id))
  if (missing.length > 0)
    for (const row of await links(db).where('delegation.id', 'in', missing).execute()) known.set(row.id, row)
  const refs = await readRefs(db, first.organizationId, [...new Set(rows.flatMap(numbersOf))])
  return rows.map(row => {
    const path = paths.get(row.id) ?? [row.id]
    const chain = path.flatMap(id => known.get(id) ?? [])
    return toDelegation(row, { path, refs, status: statusOf(row, chain, ctx.now()) })
  })
}

function numbersOf({ resources }: Pick<LinkRow, 'resources'>): number[] {
  return JSON.parse(resources) as number[]
}

/** What one's own end says, else whether all that it rests on is there. */
function statusOf(row: LinkRow, chain: readonly LinkRow[], now: number): Delegation['status'] {
  if (row.ending === 'revoked') return 'revoked'
  if (row.ending === 'expired' || Date.parse(row.expiresAt) <= now) return 'expired'
  if (row.frozenAt !== null) return 'frozen'
  const isBroken = chain.some(
    link =>
      (link.id !== row.id && (link.endedAt !== null || Date.parse(link.expiresAt) <= now)) ||
      (link.id !== row.id && link.frozenAt !== null) ||
      link.credentialRevokedAt !== null ||
      link.credentialFrozenAt !== null ||
      link.grantFrozenAt !== null ||
      link.delegatorStatus !== 'active' ||
      link.grantRevokedAt !== null ||
      (link.grantExpiresAt !== null && Date.parse(link.grantExpiresAt) <= now),
  )
  if (isBroken) return 'broken'
  if (row.activatedAt !== null) return 'live'
  return row.handleExpiresAt > now ? 'offered' : 'expired'
}

function toDelegation(
  row: LinkRow,
  found: { path: string[]; refs: ReadonlyMap<number, string>; status: Delegation['status'] },
): Delegation {
  const { id, organizationId, delegatorId, delegatorName, delegateId, delegateName } = row
  return {
    ...{ id, organization: organizationId },
    ...{ delegator: delegatorId, delegatorName, delegate: delegateId, delegateName },
    parent: row.parentId,
    path: found.path,
    grant: row.grantId,
    scopes: JSON.parse(row.scopes) as string[],
    // One that is no longer there is not named.
    resources: numbersOf(row).flatMap(seq => found.refs.get(seq) ?? []),
    ...{ condition: row.condition, hops: row.hops, purpose: row.purpose, rule: row.ruleId },
    ...{ createdAt: row.createdAt, activatedAt: row.activatedAt, expiresAt: row.expiresAt },
    status: found.status,
  }
}
