import type { Store } from '../store/index.ts'
import type { Context } from './context.ts'
import { lock } from './operation.ts'

/**
 * Runs several operations as one: every organization (or the catalogue) that they change gets one revision, and either
 * all of it happens or nothing. What is read inside stays so until the end. A rehearsal does everything and then
 * takes it back, so that it finds exactly the faults that the real run would.
 */
export async function asOneChange<T>(
  ctx: Context,
  organizations: readonly string[],
  work: (ctx: Context) => Promise<T>,
  { isRehearsal = false } = {},
): Promise<T> {
  const outside = { ...ctx.store }
  try {
    return await ctx.store.write(async tx => {
      for (const id of organizations) await lock(tx, id)
      const store: Store = { ...outside, db: tx, write: inner => inner(tx), read: inner => inner(tx) }
      const value = await work({ ...ctx, store })
      if (isRehearsal) throw new Rehearsed(value)
      return value
    })
  } catch (error) {
    if (error instanceof Rehearsed) return error.value as T
    throw error
  }
}

/** Ends a rehearsal: the transaction is rolled back, and what it came to survives. */
class Rehearsed extends Error {
  readonly value: unknown
  constructor(value: unknown) {
    super('a rehearsal is taken back')
    this.value = value
  }
}
