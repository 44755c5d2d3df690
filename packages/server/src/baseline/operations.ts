import { AppError, isoTime } from '@valetkey/sdk/core'
import {
  type Context,
  getOrganization,
  getPrincipal,
  type InputOf,
  lock,
  type OutputOf,
  openCursor,
  quote,
  recordBy,
} from '../directory/index.ts'
import type { Db } from '../store/index.ts'
import { type Alert, type AlertRow, toAlert } from './alert.ts'
import { showAlertPolicy, updateAlertPolicy } from './policy.ts'

/** The operations of the admin API on alerts. */
export const alertHandlers = {
  list: listAlerts,
  async get(ctx: Context, input: InputOf<'alerts', 'get'>): Promise<Alert> {
    return toAlert(await getAlert(ctx.store.db, input))
  },
  acknowledge: acknowledgeAlert,
  policy: showAlertPolicy,
  updatePolicy: updateAlertPolicy,
}

/** Newest first, since what is new is what somebody looks for. */
async function listAlerts(
  ctx: Context,
  input: InputOf<'alerts', 'list'>,
): Promise<OutputOf<'alerts', 'list'>> {
  const { db, secrets } = ctx.store
  const organization = await getOrganization(db, input.organization)
  const agent =
    input.agent === undefined ? undefined : await getPrincipal(db, organization, 'agent', input.agent)
  const place = `cursor:alerts:${organization.id}`
  const before = input.cursor === undefined ? undefined : openCursor(ctx, input.cursor, place)
  let query = db.selectFrom('alert').selectAll().where('organizationId', '=', organization.id)
  if (agent) query = query.where('agentId', '=', agent.id)
  if (input.kind) query = query.where('kind', '=', input.kind)
  if (input.open !== undefined) query = query.where('acknowledgedAt', input.open ? 'is' : 'is not', null)
  if (before !== undefined) query = query.where('id', '<', before)
  const rows = await query
    .orderBy('id', 'desc')
    .limit(input.limit + 1)
    .execute()
  const shown = rows.slice(0, input.limit)
  const last = shown.at(-1)
  return {
    items: shown.map(toAlert),
    next: rows.length > input.limit && last ? secrets.seal(last.id, place) : null,
  }
}

async function acknowledgeAlert(ctx: Context, input: InputOf<'alerts', 'acknowledge'>): Promise<Alert> {
  const { id, organizationId } = await getAlert(ctx.store.db, input)
  return ctx.store.write(async tx => {
    await lock(tx, organizationId)
    const before = await getAlert(tx, { alert: id })
    if (before.acknowledgedAt !== null) return toAlert(before)
    const acknowledged = {
      ...{ acknowledgedAt: isoTime(ctx.now()), acknowledgedBy: ctx.actor.id, note: input.note },
    }
    await tx.updateTable('alert').set(acknowledged).where('id', '=', id).execute()
    const detail = { alert: id, agent: before.agentId, kind: before.kind, note: input.note }
    await recordBy(ctx, tx, {
      organization: organizationId,
      type: 'alert.acknowledged',
      target: before.agentId,
      detail,
    })
    return toAlert({ ...before, ...acknowledged })
  })
}

async function getAlert(
  db: Db,
  { alert: id, organization }: { alert: string; organization?: string | undefined },
): Promise<AlertRow> {
  const within = organization === undefined ? undefined : (await getOrganization(db, organization)).id
  const row = await db.selectFrom('alert').selectAll().where('id', '=', id).executeTakeFirst()
  if (row && (within === undefined || row.organizationId === within)) return row
  throw new AppError('not_found', `No alert ${quote(id)}.`)
}
