import { shapes } from '@valetkey/sdk/contract'
import type { Context, InputOf, OutputOf } from '../directory/index.ts'
import { getOrganization, lock, recordBy } from '../directory/index.ts'
import type { Db } from '../store/index.ts'

type Shown = OutputOf<'alerts', 'policy'>
/** When an organization is told, and what is done then. */
export type AlertPolicy = Omit<Shown, 'organization'>
export type AlertKind = AlertPolicy['kinds'][number]

export const KINDS: readonly AlertKind[] = shapes.AlertKind.options

export const DEFAULT: AlertPolicy = {
  kinds: [...KINDS],
  suspendOn: [],
  windowDays: 28,
  learnDays: 7,
  learnCalls: 1000,
  burstFactor: 4,
  burstCalls: 50,
  refusalStreak: 20,
  dormantDays: 30,
}

const Kept = shapes.AlertPolicy.omit({ organization: true })

export async function readAlertPolicy(db: Db, organizationId: string): Promise<AlertPolicy> {
  const row = await db
    .selectFrom('alertPolicy')
    .select('settings')
    .where('organizationId', '=', organizationId)
    .executeTakeFirst()
  return row ? Kept.parse({ ...DEFAULT, ...JSON.parse(row.settings) }) : DEFAULT
}

export async function showAlertPolicy(ctx: Context, input: { id: string }): Promise<Shown> {
  const { id } = await getOrganization(ctx.store.db, input.id)
  return { organization: id, ...(await readAlertPolicy(ctx.store.db, id)) }
}

/** Changes it for what is observed from now on. */
export async function updateAlertPolicy(
  ctx: Context,
  { id: ref, ...input }: InputOf<'alerts', 'updatePolicy'>,
): Promise<Shown> {
  const { id } = await getOrganization(ctx.store.db, ref)
  return ctx.store.write(async tx => {
    await lock(tx, id)
    const before = await readAlertPolicy(tx, id)
    const given = Object.entries(input).filter(([, value]) => value !== undefined)
    const after = Kept.parse({ ...before, ...Object.fromEntries(given) })
    if (JSON.stringify(after) === JSON.stringify(before)) return { organization: id, ...before }
    const settings = JSON.stringify(after)
    await tx
      .insertInto('alertPolicy')
      .values({ organizationId: id, settings })
      .onConflict(conflict => conflict.column('organizationId').doUpdateSet({ settings }))
      .execute()
    const event = { organization: id, type: 'organization.alert_policy_changed', target: id }
    await recordBy(ctx, tx, { ...event, detail: { before, after } })
    return { organization: id, ...after }
  })
}
