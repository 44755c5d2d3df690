import { AppError, isId, isoTime } from '@valetkey/sdk/core'
import type { Db, Tx } from '../../store/index.ts'
import type { Context } from '../context.ts'
import { parseDetails, type Row } from '../fact-of.ts'
import { type OutputOf, recordBy } from '../operation.ts'
import { getOrganization, quote } from '../reference.ts'
import { readRefs } from '../resources/resource-tree.ts'

export type Grant = OutputOf<'grants', 'create'>

/** Grants with the names of whom and what they are about. */
export function grants(db: Db) {
  return db
    .selectFrom('grant')
    .innerJoin('principal as agent', 'agent.id', 'grant.agentId')
    .innerJoin('principal as person', 'person.id', 'grant.personId')
    .leftJoin('server', 'server.id', 'grant.serverId')
    .selectAll('grant')
    .select(['agent.name as agentName', 'person.externalId as personEmail', 'server.name as serverName'])
}

export type GrantRow = Awaited<ReturnType<ReturnType<typeof grants>['executeTakeFirstOrThrow']>>

/** A resource that is no longer there is not named. */
function toGrant(row: GrantRow, refs: ReadonlyMap<number, string>, now: number): Grant {
  const { id, organizationId, agentId, agentName, personId, personEmail } = row
  return {
    ...{ id, organization: organizationId, agent: agentId, agentName, person: personId, personEmail },
    scopes: JSON.parse(row.scopes) as string[],
    resources: numbersOf(row).flatMap(seq => refs.get(seq) ?? []),
    details: row.details === null ? null : parseDetails(row.details),
    server: row.serverId,
    serverName: row.serverName,
    elevated: Object.fromEntries(
      Object.entries(elevatedOf(row)).map(([permission, until]) => [permission, isoTime(until)]),
    ),
    source: row.source,
    createdAt: row.createdAt,
    createdBy: row.createdBy,
    expiresAt: row.expiresAt,
    lastUsedAt: row.lastUsedAt,
    status: row.revokedAt !== null ? 'revoked' : isOver(row, now) ? 'expired' : 'live',
  }
}

export function numbersOf({ resources }: Pick<Row<'grant'>, 'resources'>): number[] {
  return JSON.parse(resources) as number[]
}

export function elevatedOf({ elevated }: Pick<Row<'grant'>, 'elevated'>): Record<string, number> {
  return JSON.parse(elevated) as Record<string, number>
}

export function isOver({ expiresAt }: Pick<Row<'grant'>, 'expiresAt'>, now: number): boolean {
  return expiresAt !== null && Date.parse(expiresAt) <= now
}

/** Rows of one organization as they are shown. */
export async function toGrants(
  ctx: Context,
  db: Db,
  organization: string,
  rows: readonly GrantRow[],
): Promise<Grant[]> {
  const refs = await readRefs(db, organization, [...new Set(rows.flatMap(numbersOf))])
  return rows.map(row => toGrant(row, refs, ctx.now()))
}

export async function readGrant(ctx: Context, db: Db, id: string): Promise<Grant> {
  const row = await grants(db).where('grant.id', '=', id).executeTakeFirstOrThrow()
  const [grant] = await toGrants(ctx, db, row.organizationId, [row])
  return grant as Grant
}

export async function locateGrant(
  db: Db,
  input: { id: string; organization?: string | undefined },
): Promise<Row<'grant'>> {
  const organization =
    input.organization === undefined ? undefined : await getOrganization(db, input.organization)
  const found = isId(input.id, 'grant')
    ? await db.selectFrom('grant').selectAll().where('id', '=', input.id).executeTakeFirst()
    : undefined
  if (!found || (organization && found.organizationId !== organization.id))
    throw new AppError('not_found', `No grant ${quote(input.id)}.`)
  return found
}

export function recordGrant(
  ctx: Context,
  tx: Tx,
  type: string,
  grant: Grant,
  more: Record<string, string> = {},
): Promise<void> {
  return recordBy(ctx, tx, {
    organization: grant.organization,
    type,
    target: grant.id,
    detail: { ...termsOf(grant), ...more },
  })
}

/** What was agreed, as an audit event says it. */
export function termsOf({ agent, person, scopes, elevated, resources, details, server, expiresAt }: Grant) {
  const given = details && { details: JSON.stringify(details) }
  return { agent, person, scopes, elevated, resources, ...given, server, expiresAt }
}
