import { CATALOGUE } from '@valetkey/sdk/core'
import { prepareQuery, revisionsBy, type Tx } from '../../store/index.ts'
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
      const revision = revisionsBy(tx).get(organization)?.revision ?? (await headOf(tx, organization))
      return { id, organization, revision }
    }),
  )
}

const findRevision = prepareQuery((db, { id }: { id: string }) =>
  db.selectFrom('organization').select('revision').where('id', '=', id),
)

async function headOf(tx: Tx, organization: string): Promise<number> {
  const [head] = await findRevision(tx, { id: organization })
  if (!head) throw new Error(`unreachable: the organization ${organization} is locked and not there`)
  return head.revision
}

export const inCatalogue = (id: string) => ({ id, organization: CATALOGUE })
