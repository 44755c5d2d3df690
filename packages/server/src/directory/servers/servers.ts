import { AppError, CATALOGUE, canonicalJson, isoTime, type Mode, modeAt, newId } from '@valetkey/sdk/core'
import { beginChange, type Tx } from '../../store/index.ts'
import type { Context } from '../context.ts'
import { refuseDuplicate } from '../duplicate.ts'
import { parseObject, type Row, serverFact } from '../fact-of.ts'
import { byWhom, type InputOf, lock, type OutputOf, recordBy, requireReason, timeOf } from '../operation.ts'
import { readPage } from '../page.ts'
import { foldName, getServer, quote } from '../reference.ts'
import { logForwardsOf } from './forwards.ts'

type McpServer = OutputOf<'servers', 'get'>

function toServer(ctx: Context, row: Row<'server'>): McpServer {
  const { id, name, url, status, upstreamSecret, createdAt } = row
  const now = modeNow(ctx, row)
  return { id, name, url, ...now, status, hasUpstreamCredential: upstreamSecret !== null, createdAt }
}

type ModeInForce = Pick<McpServer, 'mode' | 'observeUntil'>

function modeNow(ctx: Context, row: Row<'server'>): ModeInForce {
  const mode = modeAt(serverFact(row), ctx.now())
  return { mode, observeUntil: mode === 'observe' ? row.observeUntil : null }
}

const LONGEST_OBSERVATION_MS = 30 * 24 * 3600_000

/** What the mode is to be: observation begins with its end, and a new end prolongs it. */
function nextMode(
  ctx: Context,
  before: ModeInForce,
  input: { mode?: Mode | undefined; observeUntil?: string | undefined },
): ModeInForce {
  const { mode = before.mode, observeUntil } = input
  const refuse = (sentence: string) => new AppError('request.invalid', sentence, { path: 'observeUntil' })
  if (mode !== 'observe') {
    if (observeUntil !== undefined) throw refuse('Only the mode observe has an end.')
    return { mode, observeUntil: null }
  }
  if (observeUntil === undefined) {
    if (before.mode !== 'observe') throw refuse('Say when the mode observe ends.')
    return before
  }
  const until = Date.parse(observeUntil)
  if (until <= ctx.now()) throw refuse('The mode observe must end in the future.')
  if (until > ctx.now() + LONGEST_OBSERVATION_MS) throw refuse('The mode observe lasts 30 days at most.')
  return { mode, observeUntil: isoTime(until) }
}

export async function listServers(
  ctx: Context,
  input: InputOf<'servers', 'list'>,
): Promise<OutputOf<'servers', 'list'>> {
  const read = (after: string, limit: number) =>
    ctx.store.db.selectFrom('server').selectAll().where('id', '>', after).orderBy('id').limit(limit).execute()
  return readPage(ctx, 'servers', input, read, row => toServer(ctx, row))
}

export async function showServer(ctx: Context, input: { id: string }): Promise<McpServer> {
  return toServer(ctx, await getServer(ctx.store.db, input.id))
}

/** Registers an MCP server: its URL becomes the audience of tokens, and all of its tools are refused until mapped. */
export async function createServer(ctx: Context, input: InputOf<'servers', 'create'>): Promise<McpServer> {
  const url = canonicalUrl(input.url)
  const row: Row<'server'> = {
    id: newId('server', ctx.now()),
    name: input.name,
    url,
    ...nextMode(ctx, { mode: 'enforce', observeUntil: null }, input),
    status: 'active',
    upstreamHeader: null,
    upstreamSecret: null,
    createdAt: timeOf(ctx),
  }
  return ctx.store.write(async tx => {
    const change = await beginChange(tx, CATALOGUE, byWhom(ctx))
    await refuseTaken(tx, input.name, url)
    await refuseDuplicate(
      tx.insertInto('server').values(row).execute(),
      'There is an MCP server of this name or URL already.',
    )
    await change.log({ fact: 'server', id: row.id, value: serverFact(row) })
    const detail = { name: row.name, url, ...modeNow(ctx, row) }
    await recordBy(ctx, tx, { organization: null, type: 'server.created', target: row.id, detail })
    return toServer(ctx, row)
  })
}

export async function updateServer(ctx: Context, input: InputOf<'servers', 'update'>): Promise<McpServer> {
  const { id } = await getServer(ctx.store.db, input.id)
  return ctx.store.write(async tx => {
    await lock(tx, CATALOGUE)
    const before = await getServer(tx, id)
    if (before.status === 'retired')
      throw new AppError('conflict.state', `The MCP server ${quote(before.name)} is retired, which is final.`)
    const was = { url: before.url, ...modeNow(ctx, before), status: before.status }
    const update = {
      url: input.url === undefined ? before.url : canonicalUrl(input.url),
      ...nextMode(ctx, was, input),
      status: input.status ?? before.status,
    }
    if (canonicalJson(update) === canonicalJson(was)) return toServer(ctx, before)
    requireReason({ before: before.status, after: update.status }, input.reason)
    const change = await beginChange(tx, CATALOGUE, byWhom(ctx))
    await refuseDuplicate(
      tx.updateTable('server').set(update).where('id', '=', id).execute(),
      `Another MCP server has the URL ${update.url}.`,
    )
    const after = await getServer(tx, id)
    await change.log({ fact: 'server', id, value: serverFact(after) })
    if (after.status !== before.status) await logForwardsOf(tx, change, id)
    const { reason } = input
    const detail = { before: was, after: update, ...(reason !== undefined && { reason }) }
    await recordBy(ctx, tx, { organization: null, type: 'server.updated', target: id, detail })
    return toServer(ctx, after)
  })
}

/**
 * Stores the header that the gateway adds towards a server, sealed. The server's fact is logged again, so that gateways
 * know to fetch it anew; the value itself is in no log.
 */
export async function setUpstreamCredential(
  ctx: Context,
  input: InputOf<'servers', 'setUpstreamCredential'>,
): Promise<McpServer> {
  const { id } = await getServer(ctx.store.db, input.id)
  const upstreamSecret = ctx.store.secrets.seal(input.value, upstreamPlace(id))
  const upstreamHeader = input.header.toLowerCase()
  return ctx.store.write(async tx => {
    const change = await beginChange(tx, CATALOGUE, byWhom(ctx))
    await tx.updateTable('server').set({ upstreamHeader, upstreamSecret }).where('id', '=', id).execute()
    const after = await getServer(tx, id)
    await change.log({ fact: 'server', id, value: serverFact(after) })
    const detail = { header: upstreamHeader }
    await recordBy(ctx, tx, {
      organization: null,
      type: 'server.upstream_credential_set',
      target: id,
      detail,
    })
    return toServer(ctx, after)
  })
}

/** Where the sealed upstream credential of a server is kept, as the secret box knows it. */
export function upstreamPlace(serverId: string): string {
  return `server:${serverId}:upstream`
}

export async function listDefinitions(
  ctx: Context,
  input: { id: string },
): Promise<OutputOf<'servers', 'definitions'>> {
  const { id } = await getServer(ctx.store.db, input.id)
  const rows = await ctx.store.db
    .selectFrom('seenDefinition')
    .selectAll()
    .where('serverId', '=', id)
    .orderBy('kind')
    .orderBy('name')
    .execute()
  const items = rows.map(({ kind, name, definition, description, inputSchema, annotations, seenAt }) => ({
    kind,
    name,
    definition,
    description,
    inputSchema: parseObject(inputSchema),
    annotations: parseObject(annotations),
    seenAt,
  }))
  return { items }
}

/**
 * The one spelling of a server's URL, as tokens name it (RFC 8707 section 2, RFC 9728 section 1.2): no fragment, no
 * query, no credentials, and no slash at its end where there is no path.
 */
export function canonicalUrl(text: string): string {
  const refuse = (sentence: string) => new AppError('request.invalid', sentence, { path: 'url' })
  if (!URL.canParse(text)) throw refuse('This is not a URL.')
  const url = new URL(text)
  if (url.protocol !== 'https:' && url.protocol !== 'http:')
    throw refuse('An MCP server has an https: or http: URL.')
  if (url.username || url.password) throw refuse('Leave the credentials out of the URL.')
  if (text.includes('#')) throw refuse('Leave the fragment out of the URL.')
  if (text.includes('?')) throw refuse('Leave the query out of the URL.')
  return url.pathname === '/' ? url.origin : url.href
}

async function refuseTaken(tx: Tx, name: string, url: string): Promise<void> {
  const taken = await tx
    .selectFrom('server')
    .select(['name', 'url'])
    .where(eb => eb.or([eb(eb.fn('lower', ['name']), '=', foldName(name)), eb('url', '=', url)]))
    .executeTakeFirst()
  if (!taken) return
  throw new AppError(
    'conflict.exists',
    taken.url === url
      ? `The MCP server ${quote(taken.name)} has the URL ${quote(url)} already.`
      : `There is an MCP server ${quote(taken.name)} already.`,
  )
}
