import { CATALOGUE } from '@valetkey/sdk/core'
import type { Tx } from '../../store/index.ts'
import type { Context } from '../context.ts'
import { asOneChange } from '../transaction.ts'

/** What was taken back: to which id, in which organization (or the catalogue), and the revision from which on it holds. */
export interface Done {
  id: string
  organization: string
  revision: number
}

/** Runs operations as one change of an organization (or the catalogue): there is no moment between any two of them. */
export function asOne(
  ctx: Context,
  { id, organization }: Omit<Done, 'revision'>,
  work: (ctx: Context, tx: Tx) => Promise<unknown>,
): Promise<Done> {
  return asOneChange(ctx, [organization], inside =>
    inside.store.write(async tx => {
      await work(inside, tx)
      return { id, organization, revision: await headOf(tx, organization) }
    }),
  )
}

async function headOf(tx: Tx, organization: string): Promise<number> {
  const { revision } = await tx
    .selectFrom('organization')
    .select('revision')
    .where('id', '=', organization)
    .executeTakeFirstOrThrow()
  return Number(revision)
}

export const inCatalogue = (id: string) => ({ id, organization: CATALOGUE })
