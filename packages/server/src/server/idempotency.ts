import { AppError, canonicalJson, isoTime } from '@valetkey/sdk/core'
import type { Context } from '../directory/index.ts'
import {
  hashSecret,
  prepareInsert,
  prepareQuery,
  type Store,
  send,
  type Tx,
  violation,
} from '../store/index.ts'

interface Call {
  key: string
  /** `agents.create`. */
  operation: string
  input: unknown
}

/** Runs a create once for a key: the same key with the same request gives the first answer again. */
export type RunOnce = (ctx: Context, call: Call, run: (ctx: Context) => Promise<unknown>) => Promise<unknown>

/** How long an answer is kept. */
const KEPT_MS = 24 * 60 * 60 * 1000
const SWEEP_EVERY_MS = 10 * 60 * 1000

/**
 * The answer is kept under the key in the transaction that makes the thing, as the last of it: of two requests at once
 * one waits and then finds the key taken, all that it did is taken back, and it answers what the other one did. Where
 * nothing was made there is no key. Whatever fails on the way may fail because the thing is there, so the key is looked
 * up then, too. The answer is sealed, since it may hold a secret that is shown once.
 */
export function createRunOnce(): RunOnce {
  let nextSweep = 0
  return async (ctx, call, run) => {
    if (!/^[\x21-\x7e]{1,255}$/.test(call.key))
      throw new AppError('request.invalid', 'An idempotency key is 1 to 255 visible ASCII characters.')
    const requestHash = hashSecret(canonicalJson([call.operation, call.input]))
    const now = ctx.now()
    const store: Store = {
      ...ctx.store,
      write: work =>
        ctx.store.write(async tx => {
          if (now >= nextSweep) await forgetOld(tx, ctx)
          const answer = await work(tx)
          await keep(tx, ctx, call, { requestHash, answer })
          return answer
        }),
    }
    for (let isAgain = false; ; isAgain = true) {
      try {
        const answer = await run({ ...ctx, store })
        if (now >= nextSweep) nextSweep = now + SWEEP_EVERY_MS
        return answer
      } catch (error) {
        if (error instanceof AppError && error.status >= 500) throw error
        const first = await findAnswer(ctx, call, requestHash)
        if (first) return first.answer
        if (isAgain || violation(error) !== 'unique') throw error
        // What is in the way is older than keys are kept.
        await ctx.store.write(tx => forgetOld(tx, ctx))
      }
    }
  }
}

const findRow = prepareQuery((db, of: { actor: string; key: string; oldest: string }) =>
  db
    .selectFrom('idempotency')
    .select(['requestHash', 'sealedAnswer'])
    .where('actor', '=', of.actor)
    .where('key', '=', of.key)
    .where('createdAt', '>', of.oldest),
)

const insertRows = prepareInsert('idempotency', [
  ...(['actor', 'key', 'operation', 'requestHash', 'sealedAnswer', 'createdAt'] as const),
])

async function findAnswer(
  ctx: Context,
  call: Call,
  requestHash: string,
): Promise<{ answer: unknown } | undefined> {
  const [row] = await findRow(ctx.store.db, { actor: ctx.actor.id, key: call.key, oldest: oldest(ctx) })
  if (!row) return undefined
  if (row.requestHash !== requestHash)
    throw new AppError('idempotency.reused', 'This idempotency key was used before, with another request.')
  return { answer: JSON.parse(ctx.store.secrets.open(row.sealedAnswer, place(ctx, call.key))) }
}

async function forgetOld(tx: Tx, ctx: Context): Promise<void> {
  await tx.deleteFrom('idempotency').where('createdAt', '<=', oldest(ctx)).execute()
}

async function keep(
  tx: Tx,
  ctx: Context,
  { key, operation }: Call,
  { requestHash, answer }: { requestHash: string; answer: unknown },
): Promise<void> {
  const sealedAnswer = ctx.store.secrets.seal(JSON.stringify(answer), place(ctx, key))
  const createdAt = isoTime(ctx.now())
  const row = { actor: ctx.actor.id, key, operation, requestHash, sealedAnswer, createdAt }
  await send(tx, insertRows(tx, [row]))
}

function oldest(ctx: Context): string {
  return isoTime(ctx.now() - KEPT_MS)
}

function place(ctx: Context, key: string): string {
  return `idempotency:${ctx.actor.id}:${key}`
}
