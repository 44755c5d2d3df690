import { AppError, newId } from '@valetkey/sdk/core'
import { beginChange, type Db, type Tx } from '../../store/index.ts'
import type { Context } from '../context.ts'
import { credentialFact, type Row } from '../fact-of.ts'
import { byWhom, type OutputOf, timeOf } from '../operation.ts'
import { getPrincipal, quote } from '../reference.ts'

export type IssuerRule = OutputOf<'issuers', 'get'>['rules'][number]
type Wanted = { agent: string; claims: Record<string, string> }
type Rule = Pick<Row<'trustedIssuerRule'>, 'agentId' | 'claims'>

/** What the rules of issuers say, by issuer; in the order of their making. */
export async function readIssuerRules(
  db: Db,
  issuerIds: readonly string[],
): Promise<Map<string, IssuerRule[]>> {
  if (issuerIds.length === 0) return new Map()
  const rows = await db
    .selectFrom('trustedIssuerRule')
    .innerJoin('principal', 'principal.id', 'trustedIssuerRule.agentId')
    .select(['issuerId', 'agentId', 'claims', 'credentialId', 'principal.name'])
    .where('issuerId', 'in', issuerIds)
    .orderBy('credentialId')
    .execute()
  const rules = new Map<string, IssuerRule[]>()
  for (const { issuerId, agentId, claims, credentialId, name } of rows) {
    const said = JSON.parse(claims) as Record<string, string>
    const rule = { agent: agentId, agentName: name, claims: said, credential: credentialId }
    rules.set(issuerId, [...(rules.get(issuerId) ?? []), rule])
  }
  return rules
}

/**
 * Makes the rules of an issuer be exactly these. Each stands for a credential of its agent, so that what came by it is known,
 * and ends like any other: one that stays keeps its credential, that of one that goes is revoked.
 */
export async function replaceIssuerRules(
  ctx: Context,
  tx: Tx,
  organization: Pick<Row<'organization'>, 'id' | 'slug'>,
  issuer: Pick<Row<'trustedIssuer'>, 'id' | 'name'>,
  wanted: readonly Wanted[],
): Promise<void> {
  const standing = await tx
    .selectFrom('trustedIssuerRule')
    .selectAll()
    .where('issuerId', '=', issuer.id)
    .execute()
  const rules = new Map<string, Rule>()
  for (const { agent, claims } of wanted) {
    const { id, status, name } = await getPrincipal(tx, organization, 'agent', agent)
    const isStanding = standing.some(({ agentId }) => agentId === id)
    if (status === 'retired' && !isStanding)
      throw new AppError('conflict.state', `Agent ${quote(name)} is retired, which is final.`)
    const rule = { agentId: id, claims: JSON.stringify(Object.fromEntries(Object.entries(claims).sort())) }
    rules.set(keyOf(rule), rule)
  }
  const gone = standing.filter(rule => !rules.has(keyOf(rule)))
  const kept = new Set(standing.map(keyOf))
  const fresh = [...rules].filter(([key]) => !kept.has(key)).map(([, rule]) => rule)
  if (gone.length + fresh.length === 0) return
  const change = await beginChange(tx, organization.id, byWhom(ctx))
  for (const { credentialId } of gone) {
    await tx.deleteFrom('trustedIssuerRule').where('credentialId', '=', credentialId).execute()
    await tx
      .updateTable('credential')
      .set({ revokedAt: timeOf(ctx) })
      .where('id', '=', credentialId)
      .where('revokedAt', 'is', null)
      .execute()
    await change.log({ fact: 'credential', id: credentialId, value: null })
  }
  for (const { agentId, claims } of fresh) {
    const row = credentialOf(ctx, { organizationId: organization.id, agentId, label: `by ${issuer.name}` })
    await tx.insertInto('credential').values(row).execute()
    const rule = { organizationId: organization.id, issuerId: issuer.id, agentId, claims }
    await tx
      .insertInto('trustedIssuerRule')
      .values({ ...rule, credentialId: row.id })
      .execute()
    await change.log({ fact: 'credential', id: row.id, value: credentialFact(row) })
  }
}

function keyOf({ agentId, claims }: Rule): string {
  return `${agentId}\n${claims}`
}

function credentialOf(
  ctx: Context,
  { organizationId, agentId, label }: { organizationId: string; agentId: string; label: string },
): Row<'credential'> {
  return {
    ...{ id: newId('credential', ctx.now()), organizationId, agentId, clientId: agentId },
    ...{ kind: 'workload', secretHash: null, publicJwk: null, thumbprint: null, label },
    ...{ createdAt: timeOf(ctx), createdBy: ctx.actor.id, expiresAt: null },
    ...{ revokedAt: null, frozenAt: null, lastUsedAt: null, lastUsedFrom: null },
  }
}
