import { randomBytes } from 'node:crypto'
import { AppError, isId, isoTime, type JsonObject, newId } from '@valetkey/sdk/core'
import { currentTrace, type Following } from '../audit/index.ts'
import {
  type Context,
  getOrganization,
  type InputOf,
  lock,
  type OutputOf,
  quote,
  readPage,
  recordBy,
} from '../directory/index.ts'
import type { Db } from '../store/index.ts'
import type { Exported } from './format/index.ts'
import { checkSink, defaultFormat } from './settings.ts'
import { ENVIRONMENT, logOf, openSecrets, type SinkRow, sealSecrets, settingsOf, toSink } from './sink-row.ts'
import type { SinkSettings, Transport } from './transport/index.ts'

type Shown = OutputOf<'sinks', 'get'>

export interface SinkParts {
  following: Following
  /** How something reaches a receiver, within what sinks of organizations may reach. */
  transportOf(settings: SinkSettings): Transport
  /** Called when sinks have changed. */
  changed(): void
}

const MOST_SINKS = 20

/** The operations of the admin API on sinks. Those of the environment are shown, and changed in the configuration alone. */
export function sinkHandlers(parts: SinkParts) {
  const { following, changed } = parts
  const show = async (row: SinkRow): Promise<Shown> => {
    const backlogs = await following.backlogs([{ id: row.id, name: logOf(row) }])
    return toSink(row, backlogs.get(row.id) ?? 0)
  }
  return {
    async list(ctx: Context, input: InputOf<'sinks', 'list'>): Promise<OutputOf<'sinks', 'list'>> {
      const { id } = await getOrganization(ctx.store.db, input.organization)
      const read = (after: string, limit: number) =>
        ctx.store.db
          .selectFrom('sink')
          .selectAll()
          .where('organizationId', 'in', [id, ENVIRONMENT])
          .where('id', '>', after)
          .orderBy('id')
          .limit(limit)
          .execute()
      const page = await readPage(ctx, `sinks:${id}`, input, read, row => row)
      const backlogs = await following.backlogs(page.items.map(row => ({ id: row.id, name: logOf(row) })))
      return { items: page.items.map(row => toSink(row, backlogs.get(row.id) ?? 0)), next: page.next }
    },
    async get(ctx: Context, input: InputOf<'sinks', 'get'>): Promise<Shown> {
      return show((await getSink(ctx.store.db, input)).row)
    },
    create: (ctx: Context, input: InputOf<'sinks', 'create'>) => createSink(ctx, input, parts),
    async update(ctx: Context, input: InputOf<'sinks', 'update'>): Promise<Shown> {
      const row = await updateSink(ctx, input, parts)
      changed()
      return show(row)
    },
    async remove(ctx: Context, input: InputOf<'sinks', 'remove'>): Promise<Shown> {
      const { db } = ctx.store
      const { row } = await getSink(db, input)
      refuseConfigured(row)
      const shown = await show(row)
      await ctx.store.write(async tx => {
        await lock(tx, row.organizationId)
        await tx.deleteFrom('sink').where('id', '=', row.id).execute()
        await following.end(tx, row.id)
        await recordBy(ctx, tx, eventOf('sink.removed', row, summary(row)))
      })
      changed()
      return shown
    },
    async test(ctx: Context, input: InputOf<'sinks', 'test'>): Promise<OutputOf<'sinks', 'test'>> {
      const { row } = await getSink(ctx.store.db, input)
      refuseConfigured(row)
      const sent = await parts.transportOf(settingsOf(ctx.store, row))([madeUp(ctx, row)])
      const answer = sent.ok ? (sent.note ?? 'The receiver has it.') : sent.reason
      const tested = eventOf('sink.tested', row, { ok: sent.ok, answer })
      await ctx.store.write(tx => recordBy(ctx, tx, tested))
      return { ok: sent.ok, answer }
    },
  }
}

async function createSink(
  ctx: Context,
  input: InputOf<'sinks', 'create'>,
  { following, changed }: SinkParts,
): Promise<OutputOf<'sinks', 'create'>> {
  const organization = await getOrganization(ctx.store.db, input.organization)
  const { name, kind, url, headers, authority, takes } = input
  const format = input.format ?? defaultFormat(kind)
  checkSink({ kind, url, format, headers, authority })
  refuseSigningSecret(kind, input.signingSecret)
  const signingSecret = kind === 'webhook' ? (input.signingSecret ?? newSigningSecret()) : null
  const id = newId('sink', ctx.now())
  const createdAt = isoTime(ctx.now())
  const row: SinkRow = {
    ...{ id, organizationId: organization.id, name, kind, url, format, authority },
    takes: JSON.stringify(takes),
    sealedSecrets: sealSecrets(ctx.store, { id }, { headers, signingSecret }),
    headerNames: JSON.stringify(Object.keys(headers)),
    ...{ status: 'active', sent: 0, lastSentAt: null, failingSince: null, failures: 0 },
    ...{ lastError: null, retryAt: 0, createdAt, createdBy: ctx.actor.id },
  }
  const heads = await following.heads(organization.id)
  const behind = input.from === 'now' ? heads : []
  const waiting = input.from === 'now' ? 0 : heads.reduce((sum, log) => sum + log.entries, 0)
  const isMade = input.signingSecret === undefined
  const answer = { ...toSink(row, waiting), signingSecret: isMade ? signingSecret : null }
  await ctx.store.write(async tx => {
    await lock(tx, organization.id)
    await refuseMore(tx, row, organization.slug)
    await tx.insertInto('sink').values(row).execute()
    await following.begin(tx, id, behind, createdAt)
    await recordBy(ctx, tx, eventOf('sink.created', row, { ...summary(row), from: input.from }))
    // What the same request is answered with if it comes again.
    return answer
  })
  changed()
  return answer
}

async function updateSink(
  ctx: Context,
  input: InputOf<'sinks', 'update'>,
  { following }: SinkParts,
): Promise<SinkRow> {
  const { row: found } = await getSink(ctx.store.db, input)
  refuseConfigured(found)
  const behind = input.from === 'now' ? await following.heads(found.organizationId) : []
  return ctx.store.write(async tx => {
    await lock(tx, found.organizationId)
    const { row: before } = await getSink(tx, { ...input, sink: found.id })
    const after = changedRow(ctx, before, input)
    const [was, is] = [summary(before), summary(after)]
    const isNewSecret = after.sealedSecrets !== before.sealedSecrets
    const isSame = JSON.stringify(was) === JSON.stringify(is) && !isNewSecret && input.from === undefined
    if (isSame) return before
    const { id: _, organizationId, createdAt, ...values } = after
    await tx.updateTable('sink').set(values).where('id', '=', before.id).execute()
    if (input.from === 'now') {
      await following.end(tx, before.id)
      await following.begin(tx, before.id, behind, isoTime(ctx.now()))
    }
    const detail = { before: was, after: is, isNewSecret, ...(input.from && { from: input.from }) }
    await recordBy(ctx, tx, eventOf('sink.updated', after, detail))
    return after
  })
}

function changedRow(ctx: Context, before: SinkRow, input: InputOf<'sinks', 'update'>): SinkRow {
  const secrets = openSecrets(ctx.store, before)
  const headers = input.headers ?? secrets.headers
  const after: SinkRow = {
    ...before,
    url: input.url ?? before.url,
    format: input.format ?? before.format,
    takes: input.takes ? JSON.stringify(input.takes) : before.takes,
    authority: input.authority === undefined ? before.authority : input.authority,
    status: input.status ?? before.status,
    headerNames: JSON.stringify(Object.keys(headers)),
    // Whatever was wrong may be mended now.
    retryAt: 0,
  }
  refuseSigningSecret(before.kind, input.signingSecret)
  // A header that was meant for one receiver is not taken along to another.
  if (input.url !== undefined && originOf(input.url) !== originOf(before.url) && input.headers === undefined)
    if (Object.keys(headers).length > 0)
      throw new AppError('request.invalid', 'The address is another one: say which headers go there.', {
        path: 'headers',
      })
  checkSink({ kind: after.kind, url: after.url, format: after.format, authority: after.authority, headers })
  if (input.headers === undefined && input.signingSecret === undefined) return after
  const signingSecret = input.signingSecret ?? secrets.signingSecret
  return { ...after, sealedSecrets: sealSecrets(ctx.store, before, { headers, signingSecret }) }
}

function originOf(url: string): string {
  const parsed = URL.parse(url)
  return `${parsed?.protocol}//${parsed?.host}`
}

async function getSink(
  db: Db,
  { sink: ref, organization }: { sink: string; organization?: string | undefined },
): Promise<{ row: SinkRow }> {
  const { id, slug } =
    organization === undefined && isId(ref, 'sink')
      ? { id: undefined, slug: 'this environment' }
      : await getOrganization(db, organization)
  const row = await db
    .selectFrom('sink')
    .selectAll()
    .where(isId(ref, 'sink') ? 'id' : 'name', '=', ref)
    .$if(id !== undefined, query => query.where('organizationId', 'in', [id ?? '', ENVIRONMENT]))
    // One of the organization's own before one of the environment.
    .orderBy('organizationId', 'desc')
    .executeTakeFirst()
  if (!row) throw new AppError('not_found', `No sink ${quote(ref)} in ${slug}.`)
  return { row }
}

function refuseConfigured({ organizationId, name }: SinkRow): void {
  if (organizationId !== ENVIRONMENT) return
  throw new AppError('conflict.state', `${quote(name)} stands in the configuration, and is changed there.`)
}

async function refuseMore(db: Db, { organizationId, name }: SinkRow, slug: string): Promise<void> {
  const rows = await db
    .selectFrom('sink')
    .select('name')
    .where('organizationId', '=', organizationId)
    .execute()
  if (rows.some(row => row.name === name))
    throw new AppError('conflict.exists', `There is a sink ${quote(name)} in ${slug} already.`)
  if (rows.length >= MOST_SINKS)
    throw new AppError('conflict.state', `${slug} has ${MOST_SINKS} sinks already. Remove one first.`)
}

function refuseSigningSecret(kind: SinkRow['kind'], secret: string | undefined): void {
  if (secret === undefined || kind === 'webhook') return
  throw new AppError('request.invalid', 'Only webhooks are signed.', { path: 'signingSecret' })
}

function newSigningSecret(): string {
  return `whsec_${randomBytes(32).toString('base64')}`
}

/** What an event says of a sink: never a secret. */
function summary({ name, kind, url, format, takes, authority, headerNames, status }: SinkRow): JsonObject {
  return {
    ...{ name, kind, url, format, status },
    takes: JSON.parse(takes) as string[],
    headers: JSON.parse(headerNames) as string[],
    hasAuthority: authority !== null,
  }
}

function eventOf(type: string, { id, organizationId }: SinkRow, detail: JsonObject) {
  return { organization: organizationId, type, target: id, detail }
}

function madeUp({ now, actor }: Context, { id, organizationId }: SinkRow): Exported {
  const change = {
    ...{ id: newId('event', now()), at: isoTime(now()), type: 'sink.tested', organization: organizationId },
    ...{ actor: actor.id, target: id, trace: currentTrace() },
    detail: { sentence: 'A made-up record, to see whether it arrives.' },
  }
  return { kind: 'change', change, place: { log: 'nowhere', index: 0, leafHash: '0'.repeat(64) } }
}
