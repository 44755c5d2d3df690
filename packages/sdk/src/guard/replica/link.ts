import { createHash, randomUUID } from 'node:crypto'
import * as http from 'node:http'
import * as https from 'node:https'
import { text } from 'node:stream/consumers'
import { compactDecrypt, SignJWT } from 'jose'
import type * as z from 'zod'
import {
  AppError,
  Change,
  type DefinitionsRequest,
  type LeaseRequest,
  LeaseResponse,
  RecordsResponse,
  RegisterResponse,
  ResetEvent,
  SnapshotResponse,
  UpstreamCredential,
  UpstreamCredentialResponse,
} from '../../core/index.ts'
import { readEvents } from '../protocol/sse.ts'
import type { PointKeys } from './point-key.ts'

export interface LinkOptions {
  /** Where the authority answers. */
  url: string
  serverKey: string
  kind: 'guard' | 'gateway'
  version: string
  /** The last start that this point remembers; the authority gives a higher number. */
  lastEpoch: number
  keys: PointKeys
}

export type FeedEvent = { kind: 'change'; change: Change } | { kind: 'reset'; organization: string }

/** The enforcement point's line to the authority: one method a route of the feed, on the session of this start. */
export interface Link {
  readonly registration: RegisterResponse
  snapshot(organization: string): Promise<Change>
  /** Ends when the connection ends; `from` is the position after which to go on. */
  changes(from: string, signal: AbortSignal): AsyncIterable<FeedEvent>
  lease(request: LeaseRequest): Promise<LeaseResponse>
  /** Gives the lease back, after the last decision: nobody need wait for it to end. */
  leave(): Promise<void>
  /** `body` is the text of a RecordsRequest, in UTF-8. */
  sendRecords(body: Uint8Array): Promise<number>
  sendDefinitions(request: DefinitionsRequest): Promise<void>
  upstreamCredential(): Promise<UpstreamCredential | null>
}

const REQUEST_TIMEOUT_MS = 5_000

/** Registers this start of the point. Throws `auth.invalid` for a bad server key, `authority.unreachable` otherwise. */
export async function openLink(options: LinkOptions): Promise<Link> {
  const base = options.url.replace(/\/$/, '')
  const registration = await register(base, options)
  const session = { authorization: `Bearer ${registration.session}` }
  const json = { ...session, 'content-type': 'application/json' }
  const post = async <T>(path: string, body: string, schema: z.ZodType<T> | undefined) => {
    const response = await request(`${base}/feed/${path}`, { method: 'POST', headers: json, body })
    return schema ? schema.parse(response) : undefined
  }
  return {
    registration,
    async snapshot(organization) {
      const query = new URLSearchParams({ organization })
      return SnapshotResponse.parse(await request(`${base}/feed/snapshot?${query}`, { headers: session }))
    },
    async *changes(from, signal) {
      const query = new URLSearchParams({ from })
      const response = await send(`${base}/feed/changes?${query}`, { headers: session, signal })
      for await (const event of readEvents(response.body, signal)) {
        if (event.event === 'change') yield { kind: 'change', change: Change.parse(JSON.parse(event.data)) }
        if (event.event === 'reset')
          yield { kind: 'reset', organization: ResetEvent.parse(JSON.parse(event.data)).organization }
      }
    },
    lease: async body => LeaseResponse.parse(await post('lease', JSON.stringify(body), LeaseResponse)),
    leave: async () => void (await post('leave', '{}', undefined)),
    async sendRecords(body) {
      const url = `${base}/feed/records`
      const signal = AbortSignal.timeout(REQUEST_TIMEOUT_MS)
      const answer = await readJson(url, await accepted(url, postBytes(url, { headers: json, body, signal })))
      return RecordsResponse.parse(answer).accepted
    },
    sendDefinitions: async body => void (await post('definitions', JSON.stringify(body), undefined)),
    async upstreamCredential() {
      const answer = await request(`${base}/feed/upstream-credential`, { headers: session })
      const { jwe } = UpstreamCredentialResponse.parse(answer)
      if (jwe === null) return null
      const { plaintext } = await compactDecrypt(jwe, options.keys.sealing.privateKey)
      return UpstreamCredential.parse(JSON.parse(new TextDecoder().decode(plaintext)))
    },
  }
}

async function register(base: string, options: LinkOptions): Promise<RegisterResponse> {
  const { keys, kind, version, serverKey } = options
  const proof = await new SignJWT({ skh: createHash('sha256').update(serverKey).digest('base64url') })
    .setProtectedHeader({ alg: 'ES256', typ: 'point-proof+jwt' })
    .setAudience(base)
    .setIssuedAt()
    .setJti(randomUUID())
    .sign(keys.signing.privateKey)
  const body = {
    kind,
    version,
    lastEpoch: options.lastEpoch,
    publicJwk: keys.signing.publicJwk,
    sealingJwk: kind === 'gateway' ? keys.sealing.publicJwk : null,
    proof,
  }
  const answer = await request(`${base}/feed/register`, {
    method: 'POST',
    headers: { authorization: `Bearer ${serverKey}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  return RegisterResponse.parse(answer)
}

async function request(url: string, init: RequestInit): Promise<unknown> {
  return readJson(url, await send(url, { ...init, signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS) }))
}

async function readJson(url: string, response: Response): Promise<unknown> {
  try {
    return await response.json()
  } catch (cause) {
    throw new AppError(
      'authority.unreachable',
      `The authority's answer to ${new URL(url).pathname} broke off.`,
      { cause },
    )
  }
}

function send(url: string, init: RequestInit): Promise<Response> {
  return accepted(url, fetch(url, { ...init, redirect: 'error' }))
}

/** A megabyte that is sent by `fetch` is copied several times over, and costs five times as much. */
async function postBytes(
  url: string,
  { body, ...options }: { headers: Record<string, string>; body: Uint8Array; signal: AbortSignal },
): Promise<Response> {
  const { request } = new URL(url).protocol === 'https:' ? https : http
  const { promise, resolve, reject } = Promise.withResolvers<http.IncomingMessage>()
  const headers = { ...options.headers, 'content-length': body.length }
  request(url, { ...options, headers, method: 'POST' }, resolve)
    .on('error', reject)
    .end(body)
  const answer = await promise
  return new Response((await text(answer)) || null, { status: answer.statusCode ?? 0 })
}

async function accepted(url: string, answer: Promise<Response>): Promise<Response> {
  const { origin, pathname } = new URL(url)
  let response: Response
  try {
    response = await answer
  } catch (cause) {
    throw new AppError('authority.unreachable', `The authority at ${origin} does not answer.`, { cause })
  }
  if (response.ok) return response
  const problem = (await response.json().catch(() => ({}))) as { code?: string; detail?: string }
  if (response.status === 409)
    throw new AppError('point.fenced', problem.detail ?? 'A newer start has taken over.')
  if (response.status === 401)
    throw new AppError('auth.invalid', problem.detail ?? `The authority refused ${pathname}.`)
  throw new AppError(
    'authority.unreachable',
    `The authority answered ${response.status} to ${pathname}: ${problem.detail ?? ''}`,
  )
}
