import { AppError, CATALOGUE, type PrincipalFact } from '@valetkey/sdk/core'
import {
  isAllowed,
  isHeard,
  judge,
  type OrganizationView,
  refOf,
  rootsOf,
  type Snapshot,
} from '@valetkey/sdk/engine'
import type { Context } from '../context.ts'
import type { InputOf, OutputOf } from '../operation.ts'
import { catchUp } from './catch-up.ts'
import { withIndex } from './live-index.ts'
import { findPrincipals, readPrincipalRef } from './principal-ref.ts'
import { getPermission, getTarget, refuseMismatch } from './question.ts'

type Questions = Pick<InputOf<'access', 'whatIf'>, 'checks' | 'principals'>
type Comparison = OutputOf<'access', 'whatIf'>

/** The facts of an organization before or after a change, and whom the questions name in them. */
interface Side {
  snapshot: Snapshot
  view: OrganizationView
  now: number
  principal(ref: string): PrincipalFact | undefined
}

/** A copy of an organization's facts, to try changes on: what happens to it reaches nobody. */
export function forkOrganization(ctx: Context, organization: string): Promise<Snapshot> {
  return withIndex(ctx, { organization }, ({ snapshot, organization: { id } }) => snapshot.fork(id))
}

/**
 * Answers questions before and after a change, which runs in a transaction that will be taken back. What it changes is
 * read from the change log there and applied to a copy: compared is what would happen, and nothing that others do.
 */
export async function compareAccess(
  ctx: Context,
  organizationId: string,
  questions: Questions,
  { fork, change }: { fork: Snapshot; change(): Promise<unknown> },
): Promise<Comparison> {
  // Copied again, since the transaction may have to run more than once.
  const before = await sideOf(ctx, fork.fork(organizationId), organizationId, questions)
  await change()
  const after = await sideOf(ctx, before.snapshot.fork(organizationId), organizationId, questions)
  return {
    checks: questions.checks.map(one => ({ before: checkBefore(before, one), after: checkOn(after, one) })),
    principals: questions.principals.map(principal => ({
      principal,
      gained: reachBeyond(after, before, principal),
      lost: reachBeyond(before, after, principal),
    })),
  }
}

async function sideOf(
  ctx: Context,
  snapshot: Snapshot,
  organizationId: string,
  { checks, principals }: Questions,
): Promise<Side> {
  const { db } = ctx.store
  for (const part of [CATALOGUE, organizationId]) await catchUp(snapshot, db, part, ctx.now())
  const view = snapshot.organization(organizationId)
  if (!view) throw new Error(`organization ${organizationId} was copied and is not there`)
  const refs = [...principals, ...checks.map(({ principal }) => principal)]
  const find = await findPrincipals(db, organizationId, () => view, refs.map(readPrincipalRef))
  return { snapshot, view, now: ctx.now(), principal: ref => find(readPrincipalRef(ref)) }
}

function checkOn({ view, now, principal }: Side, one: Questions['checks'][number]): boolean {
  const permission = getPermission(view, one.permission)
  const target = getTarget(view, one.resource)
  refuseMismatch(permission, target, view)
  return judge(view, { principal: principal(one.principal), permission, target, now }) === 'permitted'
}

/** The change may be what brings a permission or a type in the first place. */
function checkBefore(side: Side, one: Questions['checks'][number]): boolean {
  try {
    return checkOn(side, one)
  } catch (cause) {
    if (cause instanceof AppError) return false
    throw cause
  }
}

/** What a principal reaches on one side and not on the other. */
function reachBeyond(one: Side, other: Side, ref: string): { permission: string; on: string }[] {
  const principal = one.principal(ref)
  if (!principal || !isHeard(one.view, principal)) return []
  const there = other.principal(ref)
  const isHeardThere = there !== undefined && isHeard(other.view, there)
  const beyond: { permission: string; on: string }[] = []
  for (const permission of [...one.view.catalogue.permissions.keys()].sort())
    for (const { resource } of rootsOf(one.view, { principal: principal.seq, permission, now: one.now })) {
      const question = { principal: principal.seq, permission, resource, now: other.now }
      if (!isHeardThere || !isAllowed(other.view, question))
        beyond.push({ permission, on: refOf(one.view, resource) })
    }
  return beyond
}
