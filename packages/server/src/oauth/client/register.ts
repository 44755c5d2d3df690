import type { IncomingMessage, ServerResponse } from 'node:http'
import { isoTime, newId } from '@valetkey/sdk/core'
import * as z from 'zod'
import { record } from '../../audit/index.ts'
import type { Store } from '../../store/index.ts'
import { readText } from '../body.ts'
import { networkOf } from './allowance.ts'
import { applicationTypeOf, findRedirectFault } from './redirect-uri.ts'

const MAX_BYTES = 16 * 1024
const WINDOW_MS = 60 * 60_000
/** Registrations from one network within an hour. */
const MOST_BY_NETWORK = 100
/** Registrations that nobody has used yet, wherever they came from. */
const MOST_UNUSED = 10_000
const UNUSED_LIFE_MS = 24 * 60 * 60_000

/** What of RFC 7591 counts here. Everything else is passed over, as the RFC asks (§2), `scope` too: it grants nothing. */
const Metadata = z.object({
  redirect_uris: z.array(z.string()).min(1).max(20),
  client_name: z
    .string()
    .trim()
    .max(100)
    .regex(/^[^\p{C}\p{Zl}\p{Zp}]*$/u)
    .catch(''),
  client_uri: z
    .url({ protocol: /^https$/ })
    .max(500)
    .optional()
    .catch(undefined),
  response_types: z.array(z.literal('code')).optional(),
  require_pushed_authorization_requests: z.boolean().catch(false).default(false),
})

interface Answer {
  status: number
  body: object
}

/**
 * Dynamic client registration (RFC 7591). Whoever registers gets an id and nothing else: no secret, no agent, no scope.
 * What is not used within a day is forgotten.
 */
export function createRegister(options: {
  store: Store
  now(): number
  addressOf(request: IncomingMessage): string
}): (request: IncomingMessage, response: ServerResponse) => Promise<void> {
  const { store, now, addressOf } = options

  async function register(request: IncomingMessage): Promise<Answer> {
    const type = request.headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase()
    if (type !== 'application/json') return refusal(415, 'invalid_client_metadata', 'send JSON')
    const body = await readJson(request)
    const parsed = Metadata.safeParse(body)
    if (!parsed.success) {
      const isRedirect = parsed.error.issues[0]?.path[0] === 'redirect_uris'
      return isRedirect
        ? refusal(400, 'invalid_redirect_uri', 'redirect_uris must name at least one URI')
        : refusal(400, 'invalid_client_metadata', 'only response_types ["code"] is there')
    }
    const metadata = parsed.data
    for (const uri of metadata.redirect_uris) {
      const fault = findRedirectFault(uri)
      if (fault !== undefined) return refusal(400, 'invalid_redirect_uri', `redirect_uris ${fault}`)
    }
    const made = await insert(store, metadata, addressOf(request), now())
    if (made === 'many') return refusal(429, 'temporarily_unavailable', 'too many registrations')
    if (made === 'full') return refusal(503, 'temporarily_unavailable', 'too many unused clients')
    return { status: 201, body: describe(made.clientId, metadata, now()) }
  }

  return async (request, response) => {
    const { status, body } = await register(request)
    if (status === 429) response.setHeader('retry-after', '3600')
    const text = JSON.stringify(body)
    response.writeHead(status, {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(text),
      'cache-control': 'no-store',
      'access-control-allow-origin': '*',
    })
    response.end(text)
  }
}

function refusal(status: number, error: string, description: string): Answer {
  return { status, body: { error, error_description: description } }
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const text = await readText(request, MAX_BYTES)
  try {
    return JSON.parse(text ?? '')
  } catch {
    return undefined
  }
}

/** The new client's id, or why there is none; counted in the database, so that all nodes count together. */
async function insert(
  store: Store,
  metadata: z.infer<typeof Metadata>,
  address: string,
  now: number,
): Promise<{ clientId: string } | 'many' | 'full'> {
  const clientId = newId('client', now)
  const network = networkOf(address)
  return store.write(async tx => {
    const rows = tx.selectFrom('clientRegistration').select(eb => eb.fn.countAll().as('count'))
    const unused = await rows.where('expiresAt', 'is not', null).executeTakeFirstOrThrow()
    if (Number(unused.count) >= MOST_UNUSED) return 'full'
    const lately = rows.where('registeredFrom', '=', network)
    const own = await lately.where('createdAt', '>', isoTime(now - WINDOW_MS)).executeTakeFirstOrThrow()
    if (Number(own.count) >= MOST_BY_NETWORK) return 'many'
    const redirectUris = [...new Set(metadata.redirect_uris)]
    await tx
      .insertInto('clientRegistration')
      .values({
        ...{
          clientId,
          kind: 'dynamic' as const,
          name: metadata.client_name,
          uri: metadata.client_uri ?? null,
        },
        redirectUris: JSON.stringify(redirectUris),
        ...{ authentication: 'none' as const, registeredFrom: network },
        mustPush: Number(metadata.require_pushed_authorization_requests),
        ...{ createdAt: isoTime(now), expiresAt: now + UNUSED_LIFE_MS },
      })
      .execute()
    const event = { organization: null, type: 'client.registered', actor: 'anonymous', target: clientId }
    await record(tx, { ...event, detail: { name: metadata.client_name, redirectUris, address } }, now)
    return { clientId }
  })
}

function describe(clientId: string, metadata: z.infer<typeof Metadata>, now: number): object {
  const { redirect_uris, client_name, client_uri, require_pushed_authorization_requests } = metadata
  return {
    client_id: clientId,
    client_id_issued_at: Math.floor(now / 1000),
    client_name,
    client_uri,
    redirect_uris,
    application_type: applicationTypeOf(redirect_uris),
    token_endpoint_auth_method: 'none',
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    require_pushed_authorization_requests,
  }
}
