import { AppError } from '@valetkey/sdk/core'
import type { Hono, Context as HttpContext } from 'hono'
import * as z from 'zod'
import type { Context } from '../directory/index.ts'
import { readReceiverToken, type SignalScope } from '../oauth/index.ts'
import type { Store } from '../store/index.ts'
import type { EventName } from './happening.ts'
import { KEY_SET_SECONDS, type SetKeys } from './keys.ts'
import { createPolls, type PollParts, PollRequest } from './poll.ts'
import type { StreamRow } from './queue.ts'
import { useReceiver } from './receivers.ts'
import {
  metadataPaths,
  resourceMetadata,
  StreamRequest,
  showStream,
  toWish,
  transmitterMetadata,
} from './stream-config.ts'
import {
  addVerification,
  authorizationPlace,
  changeStream,
  findStream,
  MIN_VERIFICATION_SECONDS,
  openStream,
  type ReceiverRow,
  removeStream,
  type StreamWish,
  setStatus,
} from './streams.ts'

export interface TransmitterOptions {
  store: Store
  issuer: string
  now(): number
  keys: SetKeys
  sleep: PollParts['sleep']
  /** Reads a JSON body within limits, or throws. */
  readBody(request: Request): Promise<unknown>
}

const StatusRequest = z.object({
  stream_id: z.string().max(200),
  status: z.enum(['enabled', 'paused', 'disabled']),
  reason: z.string().max(500).default(''),
})
const VerifyRequest = z.object({ stream_id: z.string().max(200), state: z.string().max(1000).optional() })

/** Where receivers learn of the transmitter, manage their stream and fetch events (SSF 1.0 sections 7 and 8, RFC 8936). */
export function addTransmitter(app: Hono, options: TransmitterOptions): void {
  const { issuer, keys } = options
  const paths = metadataPaths(issuer)
  for (const [path, document] of [
    [paths.transmitter, transmitterMetadata(issuer)],
    [paths.resource, resourceMetadata(issuer)],
  ] as const)
    app.get(path, c => {
      c.header('cache-control', 'public, max-age=300')
      return c.json(document)
    })
  app.get('/signals/jwks.json', async c => {
    c.header('cache-control', `public, max-age=${KEY_SET_SECONDS}`)
    return c.json(await keys.publicKeys())
  })
  addStreams(app, options)
  addStatus(app, options)
  const answerPoll = createPolls(options)
  app.post('/signals/poll/:stream', async c => {
    const receiver = await authenticate(c, options, 'ssf.read')
    const stream = await requireOwn(options, receiver, c.req.param('stream'))
    if (stream.delivery !== 'poll')
      throw new AppError('conflict.state', 'The events of this stream are pushed.')
    const answer = await answerPoll(stream, parse(PollRequest, await options.readBody(c.req.raw)))
    // It may have waited: what was taken back meanwhile hears nothing more.
    await authenticate(c, options, 'ssf.read')
    return c.json(answer)
  })
}

function addStreams(app: Hono, options: TransmitterOptions): void {
  const { store, issuer, readBody } = options
  const path = '/signals/streams'
  const show = async (receiver: ReceiverRow, id?: string) =>
    showStream(issuer, receiver, await requireOwn(options, receiver, id))
  app.get(path, async c => {
    const receiver = await authenticate(c, options, 'ssf.read')
    const id = c.req.query('stream_id')
    if (id !== undefined) return c.json((await show(receiver, id)) as object)
    return c.json((await findStream(store.db, receiver)) ? [await show(receiver)] : [])
  })
  app.post(path, async c => {
    const receiver = await authenticate(c, options, 'ssf.manage')
    const request = parse(StreamRequest, await readBody(c.req.raw))
    const wish = toWish(request, undefined)
    await store.write(tx => openStream(contextOf(options, receiver), tx, receiver, { ...wish, issuer }))
    return c.json(await show(receiver), 201)
  })
  const change = (isWhole: boolean) => async (c: HttpContext) => {
    const receiver = await authenticate(c, options, 'ssf.manage')
    const request = parse(StreamRequest, await readBody(c.req.raw))
    const stream = await requireOwn(options, receiver, request.stream_id ?? '')
    refuseForeign(request, issuer, receiver)
    const wish = toWish(request, isWhole ? undefined : wishOf(store, stream))
    await store.write(tx => changeStream(contextOf(options, receiver), tx, receiver, { ...wish, issuer }))
    return c.json(await show(receiver))
  }
  app.patch(path, change(false))
  app.put(path, change(true))
  app.delete(path, async c => {
    const receiver = await authenticate(c, options, 'ssf.manage')
    await requireOwn(options, receiver, c.req.query('stream_id') ?? '')
    await store.write(tx => removeStream(contextOf(options, receiver), tx, receiver))
    return c.body(null, 204)
  })
}

function addStatus(app: Hono, options: TransmitterOptions): void {
  const { store, issuer, readBody, now } = options
  const shown = ({ id, status, reason }: StreamRow) => ({
    ...{ stream_id: id, status },
    ...(reason !== '' && { reason }),
  })
  app.get('/signals/status', async c => {
    const receiver = await authenticate(c, options, 'ssf.read')
    return c.json(shown(await requireOwn(options, receiver, c.req.query('stream_id') ?? '')))
  })
  app.post('/signals/status', async c => {
    const receiver = await authenticate(c, options, 'ssf.manage')
    const { stream_id, status, reason } = parse(StatusRequest, await readBody(c.req.raw))
    await requireOwn(options, receiver, stream_id)
    const to = { status, reason, issuer, tellsReceiver: false }
    await store.write(tx => setStatus(contextOf(options, receiver), tx, receiver, to))
    return c.json(shown(await requireOwn(options, receiver, stream_id)))
  })
  app.post('/signals/verify', async c => {
    const receiver = await authenticate(c, options, 'ssf.manage')
    const { stream_id, state } = parse(VerifyRequest, await readBody(c.req.raw))
    const stream = await requireOwn(options, receiver, stream_id)
    if (stream.verifiedAt + MIN_VERIFICATION_SECONDS * 1000 > now())
      throw new AppError('request.too_many', `Ask once in ${MIN_VERIFICATION_SECONDS} seconds.`)
    const ctx = contextOf(options, receiver)
    await store.write(tx => addVerification(ctx, tx, receiver, { issuer, state }))
    return c.body(null, 204)
  })
}

/** Whose the token is that a request brings, and that it carries what the request needs (RFC 6750). */
async function authenticate(
  c: HttpContext,
  { store, issuer, now }: TransmitterOptions,
  scope: SignalScope,
): Promise<ReceiverRow> {
  const metadata = `${new URL(issuer).origin}${metadataPaths(issuer).resource}`
  const challenge = (more = '') =>
    c.header('www-authenticate', `Bearer resource_metadata="${metadata}", scope="${scope}"${more}`)
  c.header('cache-control', 'no-store')
  const header = c.req.header('authorization')
  if (header === undefined) {
    challenge()
    throw new AppError('auth.required', 'Send an access token of a receiver.')
  }
  const token = /^Bearer ([\w.~+/-]+=*)$/i.exec(header)?.[1]
  const shown = token && (await readReceiverToken({ store, issuer, now }, token))
  const receiver = shown && (await useReceiver(store, shown.receiver, now()))
  if (!receiver) {
    challenge(', error="invalid_token"')
    throw new AppError('auth.invalid', 'This is no access token of a receiver, or it has ended.')
  }
  if (shown.scopes.includes(scope)) return receiver
  challenge(', error="insufficient_scope"')
  throw new AppError('permission.denied', `This needs a token with the scope ${scope}.`)
}

/** Somebody else's stream is as unknown as none. */
async function requireOwn(
  { store }: TransmitterOptions,
  receiver: ReceiverRow,
  id?: string,
): Promise<StreamRow> {
  const stream = await findStream(store.db, receiver)
  if (stream && (id === undefined || stream.id === id)) return stream
  throw new AppError('not_found', 'There is no such stream.')
}

/** What only the transmitter sets must be what it is, where a receiver sends it back. */
function refuseForeign({ iss, aud }: StreamRequest, issuer: string, { audience }: ReceiverRow): void {
  const isOwnAudience = aud === undefined || [aud].flat().every(one => one === audience)
  if ((iss === undefined || iss === issuer) && isOwnAudience) return
  throw new AppError(
    'request.invalid',
    'The issuer and the audience of a stream are not the receiver’s to set.',
  )
}

function wishOf({ secrets }: Store, stream: StreamRow): StreamWish {
  const { id, endpoint, sealedAuthorization: sealed, events, description } = stream
  return {
    endpoint: endpoint ?? undefined,
    authorization: sealed === null ? undefined : secrets.open(sealed, authorizationPlace(id)),
    events: JSON.parse(events) as EventName[],
    description,
  }
}

function contextOf({ store, now }: TransmitterOptions, { id, name }: ReceiverRow): Context {
  return { store, now, actor: { id, name, permissions: [] } }
}

function parse<T extends z.ZodType>(schema: T, body: unknown): z.output<T> {
  const read = schema.safeParse(body)
  if (read.success) return read.data
  const [issue] = read.error.issues
  throw new AppError('request.invalid', `${issue?.message ?? 'The request has another form.'}`, {
    path: issue?.path.join('.') ?? '',
  })
}
