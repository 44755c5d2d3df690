import { intersectScopes } from '@valetkey/sdk/core'
import { rolesOf } from '@valetkey/sdk/engine'
import { withIndex } from '../access/index.ts'
import type { Context } from '../context.ts'
import type { Row } from '../fact-of.ts'
import { getPrincipal, quote } from '../reference.ts'
import { refuse } from './refuse.ts'
import type { DelegationWish } from './wish.ts'

/** The rule that lets one agent delegate to another; of several, the one that lets most of what is asked for through. */
export async function findRule(
  ctx: Context,
  organization: Row<'organization'>,
  { agent, delegate: ref, scopes }: Pick<DelegationWish, 'agent' | 'delegate' | 'scopes'>,
): Promise<{ id: string; scopes: readonly string[] | null }> {
  const { db } = ctx.store
  const delegate = await getPrincipal(db, organization, 'agent', ref)
  const sides = await withIndex(ctx, { organization: organization.id }, ({ view }) =>
    [agent, delegate.id].map(id => {
      const principal = view.principals.get(id)?.seq ?? 0
      const roles = [...rolesOf(view, { principal, now: ctx.now() })]
      return ['organization', `agent:${id}`, ...roles.map(role => `role:${role}`)]
    }),
  )
  const [from = [], to = []] = sides
  const rules = await db
    .selectFrom('delegationRule')
    .select(['id', 'scopes'])
    .where('organizationId', '=', organization.id)
    .where('delegator', 'in', from)
    .where('delegate', 'in', to)
    .orderBy('id')
    .execute()
  const found = rules.map(rule => ({
    id: rule.id,
    scopes: rule.scopes === null ? null : (JSON.parse(rule.scopes) as string[]),
  }))
  const reach = (rule: (typeof found)[number]) =>
    rule.scopes === null
      ? Number.POSITIVE_INFINITY
      : (scopes === undefined ? rule.scopes : intersectScopes(rule.scopes, scopes)).length
  const [best] = found.toSorted((a, b) => reach(b) - reach(a))
  if (!best) refuse('rule', `No rule lets this agent delegate to ${quote(delegate.name)}.`)
  return best
}
