import { AppError, CATALOGUE, forwardId, type JsonObject } from '@valetkey/sdk/core'
import { beginChange, type ChangeDraft, type Db, type Tx } from '../../store/index.ts'
import type { Context } from '../context.ts'
import { forwardFact, type Row } from '../fact-of.ts'
import { byWhom, type InputOf, lock, type OutputOf, recordBy, timeOf } from '../operation.ts'
import { readPage } from '../page.ts'
import { getServer, quote } from '../reference.ts'

type Forward = OutputOf<'forwards', 'allow'>

function forwards(db: Db) {
  return db
    .selectFrom('forward')
    .innerJoin('server as from', 'from.id', 'forward.fromId')
    .innerJoin('server as to', 'to.id', 'forward.toId')
    .selectAll('forward')
    .select(['from.name as from', 'from.status', 'to.name as to'])
}

type ForwardRow = Awaited<ReturnType<ReturnType<typeof forwards>['executeTakeFirstOrThrow']>>

function toForward({ from, to, createdAt, createdBy }: ForwardRow): Forward {
  return { from, to, createdAt, createdBy }
}

export async function listForwards(
  ctx: Context,
  input: InputOf<'forwards', 'list'>,
): Promise<OutputOf<'forwards', 'list'>> {
  const server = await getServer(ctx.store.db, input.server)
  const read = (after: string, limit: number) =>
    forwards(ctx.store.db)
      .where('fromId', '=', server.id)
      .where('toId', '>', after)
      .orderBy('toId')
      .limit(limit)
      .execute()
      .then(rows => rows.map(row => ({ ...row, id: row.toId })))
  return readPage(ctx, `forwards:${server.id}`, input, read, toForward)
}

/** Lets a server call another one for those who call it, with what they themselves may there and no more. */
export async function allowForward(ctx: Context, input: InputOf<'forwards', 'allow'>): Promise<Forward> {
  const from = await getServer(ctx.store.db, input.server)
  const to = await getServer(ctx.store.db, input.to)
  if (from.id === to.id)
    throw new AppError('request.invalid', 'A server needs no leave to call itself.', { path: 'to' })
  for (const { name, status } of [from, to])
    if (status === 'retired')
      throw new AppError('conflict.state', `The MCP server ${quote(name)} is retired, which is final.`)
  return ctx.store.write(async tx => {
    await lock(tx, CATALOGUE)
    const known = await find(tx, from.id, to.id)
    if (known) return toForward(known)
    const change = await beginChange(tx, CATALOGUE, byWhom(ctx))
    await tx
      .insertInto('forward')
      .values({ fromId: from.id, toId: to.id, createdAt: timeOf(ctx), createdBy: ctx.actor.id })
      .execute()
    const row = await find(tx, from.id, to.id)
    if (!row) throw new Error('unreachable: what was just written is there')
    await logForwards(change, [row])
    await recordForward(ctx, tx, 'forward.allowed', row, {})
    return toForward(row)
  })
}

/** From then on no such call is let through, those that have a token for it included. */
export async function disallowForward(
  ctx: Context,
  input: InputOf<'forwards', 'disallow'>,
): Promise<Forward> {
  const from = await getServer(ctx.store.db, input.server)
  const to = await getServer(ctx.store.db, input.to)
  return ctx.store.write(async tx => {
    await lock(tx, CATALOGUE)
    const row = await find(tx, from.id, to.id)
    if (!row)
      throw new AppError('not_found', `Nothing lets ${quote(from.name)} call ${quote(to.name)} for others.`)
    const change = await beginChange(tx, CATALOGUE, byWhom(ctx))
    await tx.deleteFrom('forward').where('fromId', '=', from.id).where('toId', '=', to.id).execute()
    await change.log({ fact: 'forward', id: idOf(row), value: null })
    await recordForward(ctx, tx, 'forward.disallowed', row, { reason: input.reason })
    return toForward(row)
  })
}

/** Tells enforcement points anew of what a server may call, when its own status has changed. */
export async function logForwardsOf(tx: Tx, change: ChangeDraft, server: string): Promise<void> {
  await logForwards(change, await forwards(tx).where('fromId', '=', server).orderBy('toId').execute())
}

function logForwards(change: ChangeDraft, rows: readonly ForwardRow[]): Promise<void> {
  return change.logAll(rows.map(row => ({ fact: 'forward', id: idOf(row), value: forwardFact(row) })))
}

function find(db: Db, from: string, to: string): Promise<ForwardRow | undefined> {
  return forwards(db).where('fromId', '=', from).where('toId', '=', to).executeTakeFirst()
}

function idOf({ fromId: from, toId: to }: Pick<Row<'forward'>, 'fromId' | 'toId'>): string {
  return forwardId({ from, to })
}

function recordForward(
  ctx: Context,
  tx: Tx,
  type: string,
  { fromId, toId }: ForwardRow,
  more: JsonObject,
): Promise<void> {
  return recordBy(ctx, tx, { organization: null, type, target: fromId, detail: { to: toId, ...more } })
}
