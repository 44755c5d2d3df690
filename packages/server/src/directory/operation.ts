import type { AdminApi, Output, Parsed, Route } from '@valetkey/sdk/contract'
import { AppError, isoTime } from '@valetkey/sdk/core'
import { type ChangeEvent, record } from '../audit/index.ts'
import { prepareQuery, send, type Tx } from '../store/index.ts'
import type { Context } from './context.ts'

type RouteOf<G extends keyof AdminApi, O extends keyof AdminApi[G]> = AdminApi[G][O] & Route

/** What an operation of the contract is given: authenticated, permitted and parsed. */
export type InputOf<G extends keyof AdminApi, O extends keyof AdminApi[G]> = Parsed<RouteOf<G, O>>
/** What it answers. */
export type OutputOf<G extends keyof AdminApi, O extends keyof AdminApi[G]> = Output<RouteOf<G, O>>

/**
 * Queues up behind the other writers of an organization (or the catalogue), so that what is read next is still so when
 * it is written. Raises no revision: there may turn out to be nothing to change.
 */
export function lock(tx: Tx, organizationId: string): Promise<void> {
  // What comes after it on the connection waits for it there.
  return send(tx, lockRow(tx, { id: organizationId }))
}

const lockRow = prepareQuery((db, { id }: { id: string }) =>
  db
    .updateTable('organization')
    .set(eb => ({ revision: eb.ref('revision') }))
    .where('id', '=', id),
)

/** What was stopped acts again only with a reason, which goes on record beside why it was stopped. */
export function requireReason(
  { before, after }: { before: string; after: string },
  reason: string | undefined,
): void {
  if (before === 'active' || after !== 'active' || reason?.trim()) return
  throw new AppError('request.invalid', 'Say why: it goes on record.', { path: 'reason' })
}

/** Who makes a change and when, as `beginChange` takes it. */
export function byWhom(ctx: Context): { actor: string; now: number } {
  return { actor: ctx.actor.id, now: ctx.now() }
}

/** The time of an operation, as it is stored. */
export function timeOf(ctx: Context): string {
  return isoTime(ctx.now())
}

/** Records what the caller of an operation did, in the transaction that does it. */
export function recordBy(ctx: Context, tx: Tx, event: Omit<ChangeEvent, 'actor'>): Promise<void> {
  const { actor, reason } = ctx
  const detail = reason === undefined ? event.detail : { reason, ...event.detail }
  return record(tx, { ...event, actor: actor.id, ...(detail && { detail }) }, ctx.now())
}
