import { AppError } from '@valetkey/sdk/core'
import type { Hono, Context as HttpContext } from 'hono'
import * as z from 'zod'
import { record } from '../audit/index.ts'
import type { ProviderRow } from '../directory/index.ts'
import { type LimitedFetch, OutboundFault } from '../outbound/index.ts'
import type { RemoteKeys } from '../people/index.ts'
import type { Store } from '../store/index.ts'
import { hear } from './hear.ts'
import { REFUSAL_CODES, SignalRefusal } from './security-event.ts'
import { tokenFault } from './source-client.ts'
import type { SourceTokens } from './source-tokens.ts'
import { findSource, type SourceRow } from './sources.ts'

/** A token with a subject and one event has less than two kilobytes. */
const MOST_BYTES = 64 * 1024
const POLL_EVERY_MS = 15_000
const MOST_ROUNDS = 20
const MOST_EVENTS = 100

export interface ReceiverParts {
  store: Store
  now(): number
  fetch: LimitedFetch
  keysAt: RemoteKeys
  tokens: SourceTokens
  guess: { refuseIfMany(address: string): void; failed(address: string): void }
  addressOf(c: HttpContext): string
}

/** Where identity providers push their events to (RFC 8935). */
export function addReceiver(app: Hono, parts: ReceiverParts): void {
  app.post('/signals/sources/:source/events', async c => {
    const address = parts.addressOf(c)
    parts.guess.refuseIfMany(address)
    const found = await findSource(parts.store.db, c.req.param('source'))
    if (!found) throw new AppError('not_found', 'Nothing is heard at this address.')
    try {
      await hear(parts, found, await readToken(c.req.raw))
      return c.body(null, 202)
    } catch (fault) {
      if (!(fault instanceof SignalRefusal)) throw fault
      parts.guess.failed(address)
      await noteRefusal(parts, found.source, fault, address)
      return c.json({ err: fault.err, description: fault.message }, 400)
    }
  })
}

async function readToken(request: Request): Promise<string> {
  const type = request.headers.get('content-type')?.split(';', 1)[0]?.trim().toLowerCase()
  if (type !== 'application/secevent+jwt')
    throw new SignalRefusal('invalid_request', 'Send one token as application/secevent+jwt.')
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of request.body ?? []) {
    size += chunk.length
    if (size > MOST_BYTES) throw new AppError('request.too_large', `A token may have ${MOST_BYTES} bytes.`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('latin1').trim()
}

async function noteRefusal(
  { store, now }: ReceiverParts,
  { id, organizationId, providerId }: SourceRow,
  { err, message }: SignalRefusal,
  address: string,
): Promise<void> {
  const event = { organization: organizationId, type: 'signal.refused', actor: providerId, target: id }
  await store.write(async tx => {
    await tx.updateTable('signalSource').set({ lastFault: err }).where('id', '=', id).execute()
    await record(tx, { ...event, detail: { err, description: message, address } }, now())
  })
}

/** What of an answer is more than was asked for is left alone: it is not acknowledged, and comes again. */
const PollAnswer = z.object({
  sets: z
    .record(z.string().max(512), z.string().max(MOST_BYTES))
    .transform(sets => Object.fromEntries(Object.entries(sets).slice(0, MOST_EVENTS))),
  moreAvailable: z.boolean().default(false),
})

/** Sources that are to be polled now. */
export async function findPollable({ store, now }: ReceiverParts): Promise<string[]> {
  const due = await store.db
    .selectFrom('signalSource')
    .select('id')
    .where('pollUrl', 'is not', null)
    .where('nextPollAt', '<=', now())
    .execute()
  return due.map(({ id }) => id)
}

/** Fetches the events of a source that does not push (RFC 8936). Each is acknowledged once what it says is done. */
export async function pollSource(parts: ReceiverParts, id: string): Promise<void> {
  const { store, now } = parts
  // Of several nodes the one that moves the time on polls.
  const own = await store.db
    .updateTable('signalSource')
    .set({ nextPollAt: now() + POLL_EVERY_MS })
    .where('id', '=', id)
    .where('nextPollAt', '<=', now())
    .returning('id')
    .executeTakeFirst()
  const found = own && (await findSource(store.db, id))
  if (!found) return
  let answered: Answered = { ack: [], setErrs: {} }
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const answer = await ask(parts, found.source, answered)
    if (!answer || Object.keys(answer.sets).length === 0) return
    answered = await take(parts, found, answer.sets)
  }
}

interface Answered {
  ack: string[]
  setErrs: Record<string, { err: string; description: string }>
}

async function take(
  parts: ReceiverParts,
  found: { source: SourceRow; provider: ProviderRow },
  sets: Record<string, string>,
): Promise<Answered> {
  const answered: Answered = { ack: [], setErrs: {} }
  for (const [jti, token] of Object.entries(sets))
    try {
      await hear(parts, found, token)
      answered.ack.push(jti)
    } catch (fault) {
      if (!(fault instanceof SignalRefusal)) throw fault
      answered.setErrs[jti] = { err: fault.err, description: fault.message }
      await noteRefusal(parts, found.source, fault, found.source.pollUrl ?? '')
    }
  return answered
}

async function ask(
  parts: ReceiverParts,
  source: SourceRow,
  { ack, setErrs }: Answered,
): Promise<z.output<typeof PollAnswer> | undefined> {
  const body = JSON.stringify({ maxEvents: MOST_EVENTS, returnImmediately: true, ack, setErrs })
  let fault: string
  try {
    const response = await post(parts, source, body)
    const answer = PollAnswer.safeParse(response.ok ? await response.json() : undefined)
    if (answer.success) {
      await noteFault(parts, source, null)
      return answer.data
    }
    fault = response.ok ? 'another form' : `status ${response.status}`
  } catch (cause) {
    fault = faultOf(cause)
  }
  await noteFault(parts, source, fault)
  return undefined
}

/** A token may have been taken back before it ended: then one more is asked for, once. */
async function post(
  parts: Pick<ReceiverParts, 'fetch' | 'tokens'>,
  source: SourceRow,
  body: string,
  isAgain = false,
): Promise<Response> {
  const authorization = await parts.tokens.authorize(source, { isNew: isAgain }).catch(cause => {
    throw new TokenFault(cause)
  })
  const headers = {
    ...{ 'content-type': 'application/json', accept: 'application/json' },
    ...(authorization !== undefined && { authorization }),
  }
  const response = await parts.fetch(source.pollUrl ?? '', { method: 'POST', headers, body })
  if (response.status !== 401 || source.client === null || isAgain) return response
  return post(parts, source, body, true)
}

class TokenFault extends Error {
  override name = 'TokenFault'
  constructor(cause: unknown) {
    super('no token', { cause })
  }
}

function faultOf(cause: unknown): string {
  if (cause instanceof TokenFault) return `no token: ${tokenFault(cause.cause)}`
  return cause instanceof OutboundFault ? `no answer: ${cause.reason}` : 'another form'
}

/** Why polling came to nothing; null where it did not, which says nothing of an event that was refused. */
async function noteFault(
  { store }: ReceiverParts,
  { id }: SourceRow,
  lastFault: string | null,
): Promise<void> {
  let update = store.db.updateTable('signalSource').set({ lastFault }).where('id', '=', id)
  if (lastFault === null)
    update = update.where('lastFault', 'is not', null).where('lastFault', 'not in', REFUSAL_CODES)
  await update.execute()
}
