import type { AuthorizationDetail } from '@valetkey/sdk/core'
import { beginChange, type Db, type Tx } from '../../store/index.ts'
import type { Context } from '../context.ts'
import { grantFact, type Row } from '../fact-of.ts'
import { byWhom, lock, recordBy } from '../operation.ts'
import { getAgentRow } from '../principals/agents.ts'
import { getOrganization } from '../reference.ts'
import { elevatedOf, type Grant, isOver, numbersOf, readGrant, termsOf } from './grant-row.ts'
import { getAgent, getPerson, insertGrant, readNumbers, refuseUnable } from './grants.ts'

/** Between whom, and for which server. */
export interface Parties {
  organization: string
  agent: string
  person: string
  server: string
}

/** What somebody agreed to on the page: the whole of it, as it is from now on. */
export interface Agreement extends Parties {
  scopes: readonly string[]
  /** What it may do for a shorter time: until when (ms), by permission. */
  elevated: Record<string, number>
  /** The whole organization where none is named. */
  resources: readonly string[]
  expiresAt: string
  /** What it was given for in detail: then it stands alone, and is joined with nothing. */
  details?: readonly AuthorizationDetail[] | undefined
  /** The person lends the agent what it may do at all. */
  lends?: boolean
}

/** What stands between a person and an agent for one server. */
export interface StandingGrant {
  id: string
  scopes: string[]
  elevated: Record<string, number>
  /** Numbers. */
  resources: number[]
  expiresAt: string
}

/** Finds what a person has agreed to before, unless it has ended or was taken back. */
export async function findStandingGrant(ctx: Context, parties: Parties): Promise<StandingGrant | undefined> {
  const row = await findRow(ctx, ctx.store.db, parties)
  if (!row) return undefined
  return {
    id: row.id,
    scopes: JSON.parse(row.scopes) as string[],
    elevated: elevatedOf(row),
    resources: numbersOf(row),
    expiresAt: row.expiresAt ?? '',
  }
}

async function findRow(
  ctx: Context,
  db: Db,
  { organization, agent, person, server }: Parties,
): Promise<Row<'grant'> | undefined> {
  const rows = await db
    .selectFrom('grant')
    .selectAll()
    .where('organizationId', '=', organization)
    .where('personId', '=', person)
    .where('agentId', '=', agent)
    .where('serverId', '=', server)
    .where('source', '=', 'consent')
    .where('details', 'is', null)
    .where('revokedAt', 'is', null)
    .orderBy('id', 'desc')
    .execute()
  return rows.find(row => !isOver(row, ctx.now()))
}

/**
 * Writes down what a person has agreed to. There is one grant between a person and an agent for a server: it changes as
 * the person changes it, so that ending it ends all, and every change is on record with what it was before. What was asked
 * for in detail is another one each time: joined, tools of the one and scopes of the other would come to more than both.
 */
export async function agree(ctx: Context, agreement: Agreement): Promise<Grant> {
  const organization = await getOrganization(ctx.store.db, agreement.organization)
  return ctx.store.write(async tx => {
    await lock(tx, organization.id)
    const agent = await getAgent(tx, organization, agreement.agent)
    const person = await getPerson(tx, organization, agreement.person)
    const resources = await readNumbers(tx, organization, agreement.resources)
    const { scopes, elevated, server, expiresAt, details, lends = false } = agreement
    const before = details ? undefined : await findRow(ctx, tx, agreement)
    if (!before) {
      const terms = { agent, person, scopes, elevated, resources, server, expiresAt, details, lends }
      return insertGrant(ctx, tx, { ...terms, source: 'consent' })
    }
    refuseUnable(await getAgentRow(tx, agent.id), person)
    return change(ctx, tx, before, {
      scopes: JSON.stringify([...new Set(scopes)].sort()),
      elevated: JSON.stringify(elevated),
      resources: JSON.stringify(resources),
      expiresAt,
      lends: lends ? 1 : 0,
    })
  })
}

/**
 * Writes down what an issuer says that an agent may do for a person, whom the organization has agreed to believe; gives the grant that
 * counts. What the person or an administrator has given here stands as it is, and what they have taken back stays so: undefined.
 */
export async function agreeByIssuer(
  ctx: Context,
  agreement: Parties & { scopes: readonly string[]; expiresAt: string },
): Promise<string | undefined> {
  const organization = await getOrganization(ctx.store.db, agreement.organization)
  const { scopes, server, expiresAt } = agreement
  return ctx.store.write(async tx => {
    await lock(tx, organization.id)
    const agent = await getAgent(tx, organization, agreement.agent)
    const person = await getPerson(tx, organization, agreement.person)
    const rows = await tx
      .selectFrom('grant')
      .selectAll()
      .where('organizationId', '=', organization.id)
      .where('personId', '=', person.id)
      .where('agentId', '=', agent.id)
      .where('serverId', '=', server)
      .where('details', 'is', null)
      .orderBy('id', 'desc')
      .execute()
    const [last] = rows
    const standing = rows.find(row => row.revokedAt === null && !isOver(row, ctx.now()))
    if (standing && standing.createdBy !== ctx.actor.id) return standing.id
    if (!standing && last && last.revokedAt !== null) return undefined
    const given = JSON.stringify([...new Set(scopes)].sort())
    if (!standing) {
      const resources = await readNumbers(tx, organization, [])
      const terms = { agent, person, scopes, resources, server, expiresAt }
      return (await insertGrant(ctx, tx, terms)).id
    }
    const { elevated, resources, lends } = standing
    const isSoonOver = Date.parse(standing.expiresAt ?? '') < ctx.now() + SOON_MS
    if (standing.scopes !== given || isSoonOver)
      await change(ctx, tx, standing, { scopes: given, elevated, resources, lends, expiresAt })
    return standing.id
  })
}

/** What ends within this time is written down anew. */
const SOON_MS = 60 * 60_000

async function change(
  ctx: Context,
  tx: Tx,
  row: Row<'grant'>,
  terms: Pick<Row<'grant'>, 'scopes' | 'elevated' | 'resources' | 'expiresAt' | 'lends'>,
): Promise<Grant> {
  const before = await readGrant(ctx, tx, row.id)
  const isSame = (Object.keys(terms) as (keyof typeof terms)[]).every(key => terms[key] === row[key])
  if (isSame) return before
  const draft = await beginChange(tx, row.organizationId, byWhom(ctx))
  await tx.updateTable('grant').set(terms).where('id', '=', row.id).execute()
  await draft.log({ fact: 'grant', id: row.id, value: grantFact({ ...row, ...terms }) })
  const after = await readGrant(ctx, tx, row.id)
  await recordBy(ctx, tx, {
    organization: row.organizationId,
    type: 'grant.changed',
    target: row.id,
    detail: { before: termsOf(before), after: termsOf(after) },
  })
  return after
}
