import { shapes } from '@valetkey/sdk/contract'
import { AppError } from '@valetkey/sdk/core'
import type { Db } from '../../store/index.ts'
import type { Context } from '../context.ts'
import { type InputOf, lock, type OutputOf, recordBy } from '../operation.ts'
import { getOrganization } from '../reference.ts'

type Shown = OutputOf<'consent', 'get'>

/** How far the people of an organization may go when they let agents act for them. */
export type ConsentPolicy = Omit<Shown, 'organization'>

const DAY = 86_400
const DEFAULT: ConsentPolicy = { longestSeconds: 30 * DAY, proposedSeconds: DAY, mayAdopt: null }
const Kept = shapes.ConsentPolicy.omit({ organization: true })

export async function readConsentPolicy(db: Db, organization: string): Promise<ConsentPolicy> {
  const { consentPolicy } = await db
    .selectFrom('organization')
    .select('consentPolicy')
    .where('id', '=', organization)
    .executeTakeFirstOrThrow()
  return consentPolicy === null ? DEFAULT : Kept.parse(JSON.parse(consentPolicy))
}

export async function showConsentPolicy(ctx: Context, input: { id: string }): Promise<Shown> {
  const { id } = await getOrganization(ctx.store.db, input.id)
  return { organization: id, ...(await readConsentPolicy(ctx.store.db, id)) }
}

/** Changes it for what is agreed to from now on. A shorter longest time brings the proposed one down with it. */
export async function updateConsentPolicy(ctx: Context, input: InputOf<'consent', 'update'>): Promise<Shown> {
  const { id } = await getOrganization(ctx.store.db, input.id)
  return ctx.store.write(async tx => {
    await lock(tx, id)
    const before = await readConsentPolicy(tx, id)
    const longestSeconds = input.longestSeconds ?? before.longestSeconds
    const after: ConsentPolicy = {
      longestSeconds,
      proposedSeconds: input.proposedSeconds ?? Math.min(before.proposedSeconds, longestSeconds),
      mayAdopt: input.mayAdopt === undefined ? before.mayAdopt : input.mayAdopt,
    }
    if (after.proposedSeconds > after.longestSeconds)
      throw new AppError('request.invalid', 'The proposed time is longer than the longest.', {
        path: 'proposedSeconds',
      })
    if (JSON.stringify(after) === JSON.stringify(before)) return { organization: id, ...before }
    await tx
      .updateTable('organization')
      .set({ consentPolicy: JSON.stringify(after) })
      .where('id', '=', id)
      .execute()
    const event = { organization: id, type: 'organization.consent_changed', target: id }
    await recordBy(ctx, tx, { ...event, detail: { before, after } })
    return { organization: id, ...after }
  })
}
