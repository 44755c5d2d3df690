import { intersectScopes, isoTime, newId, newSecret } from '@valetkey/sdk/core'
import { checkToolCondition } from '@valetkey/sdk/engine'
import { type Db, hashSecret, type Tx } from '../../store/index.ts'
import type { Context } from '../context.ts'
import type { Row } from '../fact-of.ts'
import { recordBy, timeOf } from '../operation.ts'
import { getOrganization, getPrincipal, quote } from '../reference.ts'
import { getResource, isWithinSome } from '../resources/resource-tree.ts'
import { type Basis, readBasis } from './basis.ts'
import { refuse } from './refuse.ts'
import { findRule } from './which-rule.ts'
import type { DelegationWish } from './wish.ts'

/** A delegation that waits for its delegate, and the handle by which that one takes it up: shown once. */
export interface Offer {
  id: string
  handle: string
  handleExpiresInSeconds: number
  delegate: string
  scopes: readonly string[]
  expiresAt: string
  hops: number
}

const HANDLE_SECONDS = 120
const LONGEST_DELEGATION_SECONDS = 30 * 24 * 3600

/**
 * Lets another agent act within bounds that are never wider than what the delegating agent has: checked here, again when
 * the handle is redeemed, at each exchange, and on every call. Too deep, round in a circle or without a rule is refused.
 */
export async function offerDelegation(
  ctx: Context,
  wish: DelegationWish,
  { maxDepth }: { maxDepth: number },
): Promise<Offer> {
  const organization = await getOrganization(ctx.store.db, wish.organization)
  checkWords(wish)
  const rule = await findRule(ctx, organization, wish)
  const handle = newSecret('vk_dlg')
  return ctx.store.write(async tx => {
    const delegate = await getDelegate(tx, organization, wish)
    const basis = await readBasis(ctx, tx, organization, wish)
    requireFit(basis, delegate, wish, maxDepth)
    const scopes = narrowScopes(basis, rule.scopes, wish)
    const resources = await narrowResources(tx, organization, basis, wish)
    const row: Row<'delegation'> = {
      ...{ id: newId('delegation', ctx.now()), organizationId: organization.id },
      ...{ delegatorId: wish.agent, delegateId: delegate.id, credentialId: wish.credential },
      ...{ parentId: wish.parent ?? null, grantId: basis.grant, ruleId: rule.id },
      ...{ scopes: JSON.stringify(scopes), resources: JSON.stringify(resources), condition: wish.condition },
      ...{ hops: wish.hops, purpose: wish.purpose, handleHash: hashSecret(handle) },
      handleExpiresAt: ctx.now() + HANDLE_SECONDS * 1000,
      ...{ createdAt: timeOf(ctx), activatedAt: null, endedAt: null, ending: null, frozenAt: null },
      expiresAt: isoTime(Math.min(ctx.now() + wish.expiresInSeconds * 1000, basis.expiresBy)),
    }
    await insertLink(tx, row, basis.path)
    await recordOffer(ctx, tx, row)
    return {
      ...{ id: row.id, handle, handleExpiresInSeconds: HANDLE_SECONDS, delegate: delegate.id },
      ...{ scopes, expiresAt: row.expiresAt, hops: row.hops },
    }
  })
}

function checkWords({ condition, expiresInSeconds, hops }: DelegationWish): void {
  const fault = checkToolCondition(condition)
  if (fault !== null) refuse('condition', fault)
  if (expiresInSeconds < 1 || expiresInSeconds > LONGEST_DELEGATION_SECONDS)
    refuse('expiry', `A delegation lasts a second at least and ${LONGEST_DELEGATION_SECONDS} at most.`)
  if (hops < 0) refuse('depth', 'A delegation cannot be handed on less than not at all.')
}

async function getDelegate(
  tx: Db,
  organization: Row<'organization'>,
  { delegate: ref }: DelegationWish,
): Promise<Row<'principal'> & { agentKind: Row<'agent'>['kind'] }> {
  const delegate = await getPrincipal(tx, organization, 'agent', ref)
  if (delegate.status !== 'active') refuse('delegate', `Agent ${quote(delegate.name)} is ${delegate.status}.`)
  const { kind } = await tx
    .selectFrom('agent')
    .select('kind')
    .where('id', '=', delegate.id)
    .executeTakeFirstOrThrow()
  return { ...delegate, agentKind: kind }
}

/** In the chain once only, of a kind that may act so, and not deeper than it may go. */
function requireFit(
  { agents, hops, path, grant }: Basis,
  delegate: Awaited<ReturnType<typeof getDelegate>>,
  wish: DelegationWish,
  maxDepth: number,
): void {
  if (agents.includes(delegate.id)) refuse('cycle', `${quote(delegate.name)} is in this chain already.`)
  const wrong = grant === null ? 'user_authorized' : 'autonomous'
  if (delegate.agentKind === wrong)
    refuse('delegate', `${quote(delegate.name)} acts for ${grant === null ? 'people' : 'itself'} only.`)
  const depth = path.length + 1
  if (depth > maxDepth || depth + wish.hops > maxDepth)
    refuse('depth', `A chain has ${maxDepth} delegations at most.`)
  if (hops !== null && wish.hops >= hops)
    refuse(
      'depth',
      hops === 0 ? 'This delegation may not be handed on.' : `It may be handed on ${hops} times.`,
    )
}

function narrowScopes(
  { scopes }: Basis,
  most: readonly string[] | null,
  { scopes: wanted }: DelegationWish,
): readonly string[] {
  const allowed = most === null ? scopes : intersectScopes(scopes, most)
  const granted = wanted === undefined ? allowed : intersectScopes(allowed, wanted)
  if (granted.length === 0) refuse('scope', 'Nothing of these scopes can be handed on.')
  return granted
}

async function narrowResources(
  tx: Tx,
  organization: Row<'organization'>,
  { resources: bounds }: Basis,
  { resources }: DelegationWish,
): Promise<readonly number[]> {
  if (resources.length === 0) return bounds
  const found: number[] = []
  for (const ref of resources) {
    const { seq } = await getResource(tx, organization, ref)
    if (!(await isWithinSome(tx, organization.id, seq, bounds)))
      refuse('resource', `${quote(ref)} is not among what this rests on.`)
    if (!found.includes(seq)) found.push(seq)
  }
  return found.sort((a, b) => a - b)
}

async function insertLink(tx: Tx, row: Row<'delegation'>, above: readonly string[]): Promise<void> {
  await tx.insertInto('delegation').values(row).execute()
  const path = [...above, row.id]
  await tx
    .insertInto('delegationPath')
    .values(path.map((ancestorId, position) => ({ delegationId: row.id, position, ancestorId })))
    .execute()
}

async function recordOffer(ctx: Context, tx: Tx, row: Row<'delegation'>): Promise<void> {
  const { delegateId: delegate, parentId: parent, grantId: grant, scopes, resources } = row
  const { condition, hops, purpose, expiresAt } = row
  await recordBy(ctx, tx, {
    organization: row.organizationId,
    type: 'delegation.offered',
    target: row.id,
    detail: {
      ...{ delegate, parent, grant, condition, hops, purpose, expiresAt },
      ...{ scopes: JSON.parse(scopes) as string[], resources: JSON.parse(resources) as number[] },
    },
  })
}
