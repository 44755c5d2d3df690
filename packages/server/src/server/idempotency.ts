import { AppError, canonicalJson, isoTime } from '@valetkey/sdk/core'
import type { Context } from '../directory/index.ts'
import {
  type Db,
  hashSecret,
  prepareInsert,
  prepareQuery,
  type Store,
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
 * The key is claimed in the transaction that makes the thing, before anything else in it: of two requests at once one
 * waits and then finds the key taken, and where nothing was made there is no key. The answer is sealed, since it may
 * hold a secret that is shown once.
 */
export function createRunOnce(): RunOnce {
  let nextSweep = 0
  return async (ctx, call, run) => {
    if (!/^[\x21-\x7e]{1,255}$/.test(call.key))
      throw new AppError('request.invalid', 'An idempotency key is 1 to 255 visible ASCII characters.')
    const requestHash = hashSecret(canonicalJson([call.operation, call.input]))
    const now = ctx.now()
    const known = await findAnswer(ctx, call, requestHash)
    if (known) return known.answer
    const store: Store = {
      ...ctx.store,
      write: work =>
        ctx.store.write(async tx => {
          await forgetOld(tx, ctx, call.key, now >= nextSweep)
          await claim(tx, ctx, call, requestHash)
          const answer = await work(tx)
          await keep(tx, ctx, call.key, answer)
          return answer
        }),
    }
    try {
      const answer = await run({ ...ctx, store })
      if (now >= nextSweep) nextSweep = now + SWEEP_EVERY_MS
      return answer
    } catch (error) {
      if (violation(error) !== 'unique') throw error
      const faster = await findAnswer(ctx, call, requestHash)
      if (faster) return faster.answer
      throw error
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

const removeOld = prepareQuery((db, of: { actor: string; key: string; oldest: string }) =>
  db
    .deleteFrom('idempotency')
    .where('actor', '=', of.actor)
    .where('key', '=', of.key)
    .where('createdAt', '<=', of.oldest),
)

const insertRows = prepareInsert('idempotency', [
  ...(['actor', 'key', 'operation', 'requestHash', 'sealedAnswer', 'createdAt'] as const),
])

const putAnswer = prepareQuery((db, of: { actor: string; key: string; sealedAnswer: string }) =>
  db
    .updateTable('idempotency')
    .set({ sealedAnswer: of.sealedAnswer })
    .where('actor', '=', of.actor)
    .where('key', '=', of.key),
)

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

async function forgetOld(tx: Tx, ctx: Context, key: string, all: boolean): Promise<void> {
  const before = oldest(ctx)
  if (all) await tx.deleteFrom('idempotency').where('createdAt', '<=', before).execute()
  else await removeOld(tx, { actor: ctx.actor.id, key, oldest: before })
}

function claim(db: Db, ctx: Context, { key, operation }: Call, requestHash: string): Promise<void> {
  const createdAt = isoTime(ctx.now())
  return insertRows(db, [{ actor: ctx.actor.id, key, operation, requestHash, sealedAnswer: '', createdAt }])
}

async function keep(db: Db, ctx: Context, key: string, answer: unknown): Promise<void> {
  const sealedAnswer = ctx.store.secrets.seal(JSON.stringify(answer), place(ctx, key))
  await putAnswer(db, { actor: ctx.actor.id, key, sealedAnswer })
}

function oldest(ctx: Context): string {
  return isoTime(ctx.now() - KEPT_MS)
}

function place(ctx: Context, key: string): string {
  return `idempotency:${ctx.actor.id}:${key}`
}
