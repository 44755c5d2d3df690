import { SignJWT } from 'jose'
import * as z from 'zod'
import { AppError } from '../core/index.ts'
import { type Authority, reach } from './authority.ts'
import type { Signer } from './key.ts'
import type { Prover } from './prover.ts'

/**
 * How an agent proves itself: by a key that never leaves it, by a secret, by what its platform says of it, or not. And an MCP
 * server that asks for itself: by its own key.
 */
export type Proof =
  | { signer: Signer }
  | { secret: string; secretIn: 'header' | 'body' }
  | { workload: () => Promise<string> }
  | { isPublic: true }
  | { serverKey: string }

/** Who asks the authority, and when. */
export interface Asking {
  authority: Authority
  clientId: string
  proof: Proof
  /** Holds the key that tokens are to be bound to; without one they are for whoever bears them. */
  prover: Prover | undefined
  fetch: typeof globalThis.fetch
  now(): number
}

/** The authority says no. `error` is the protocol's own word for it. */
export class Refusal extends AppError {
  readonly error: string
  constructor(error: string, message: string) {
    super('token.refused', message)
    this.error = error
  }
}

type Fields = Record<string, string | readonly string[] | undefined>

const RefusalBody = z.object({ error: z.string(), error_description: z.string().optional() })
const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
const ASSERTION_SECONDS = 60
/** The authority takes what is up to a minute old and ten seconds ahead of its clock. */
const SKEW_MS = 10_000

/** Sends a form to an endpoint of the authority as this agent. A "no" is a `Refusal`. */
export async function ask<T>(
  asking: Asking,
  endpoint: string,
  fields: Fields,
  schema: z.ZodType<T>,
  what: string,
): Promise<T> {
  let response = await send(asking, endpoint, fields)
  let body: unknown = await response.json().catch(() => undefined)
  // RFC 9449 §8: the nonce came with the refusal; the assertion is used up, so all is made anew.
  if (asking.prover?.hear(endpoint, response.headers) && errorOf(body) === 'use_dpop_nonce') {
    response = await send(asking, endpoint, fields)
    body = await response.json().catch(() => undefined)
    asking.prover.hear(endpoint, response.headers)
  }
  const answer = schema.safeParse(body)
  if (response.ok && answer.success) return answer.data
  throw refusalOf(response, body, what, asking.now())
}

async function send(asking: Asking, endpoint: string, fields: Fields): Promise<Response> {
  const { authority, clientId, proof, prover, fetch, now } = asking
  const form = new URLSearchParams()
  for (const [name, value] of Object.entries(fields))
    for (const one of value === undefined ? [] : [value].flat()) form.append(name, one)
  const headers = new Headers({ accept: 'application/json' })
  await authenticate({ clientId, issuer: authority.issuer, proof, now: now() }, headers, form)
  if (prover) headers.set('dpop', await prover.prove({ method: 'POST', url: endpoint }))
  return reach(fetch, endpoint, { method: 'POST', headers, body: form })
}

/** Who an agent is to its authority, at a time. */
export interface Self {
  clientId: string
  issuer: string
  proof: Proof
  now: number
}

/** Says in a request who the agent is, and proves it. */
export async function authenticate(self: Self, headers: Headers, form: URLSearchParams): Promise<void> {
  const { clientId, proof } = self
  if ('signer' in proof) {
    form.set('client_assertion_type', ASSERTION_TYPE)
    form.set('client_assertion', await assert(proof.signer, self))
  } else if ('isPublic' in proof) form.set('client_id', clientId)
  else if ('serverKey' in proof) headers.set('authorization', `Bearer ${proof.serverKey}`)
  // Which agent it is, where its issuer's word fits several.
  else if ('workload' in proof && clientId !== '') form.set('client_id', clientId)
  else if ('secret' in proof && proof.secretIn === 'header')
    headers.set('authorization', basic(clientId, proof.secret))
  else if ('secret' in proof) {
    form.set('client_id', clientId)
    form.set('client_secret', proof.secret)
  }
}

/** RFC 7523 as updated: addressed to the issuer alone, short, used once. */
function assert({ key, header }: Signer, { clientId, issuer, now }: Self): Promise<string> {
  const iat = Math.floor(now / 1000)
  return new SignJWT({ jti: crypto.randomUUID() })
    .setProtectedHeader({ ...header, typ: 'client-authentication+jwt' })
    .setIssuer(clientId)
    .setSubject(clientId)
    .setAudience(issuer)
    .setIssuedAt(iat)
    .setExpirationTime(iat + ASSERTION_SECONDS)
    .sign(key)
}

/** RFC 6749 §2.3.1: both parts are form-encoded first. */
function basic(clientId: string, secret: string): string {
  const encode = (text: string) => new URLSearchParams({ '': text }).toString().slice(1)
  return `Basic ${btoa(`${encode(clientId)}:${encode(secret)}`)}`
}

function errorOf(body: unknown): string | undefined {
  return RefusalBody.safeParse(body).data?.error
}

function refusalOf(response: Response, body: unknown, what: string, now: number): AppError {
  const refusal = RefusalBody.safeParse(body)
  if (response.status >= 500 || response.status === 429 || !refusal.success)
    return new AppError(
      'authority.unreachable',
      `The authority gives no token now (HTTP ${response.status}).`,
    )
  const { error, error_description: sentence } = refusal.data
  const reason = sentence ? `${error} (${sentence})` : error
  const clock = describeClock(response.headers, now)
  return new Refusal(error, `The authority refuses ${what}: ${reason}.${clock}`)
}

/** What was signed by a wrong clock is refused without a word on why; the answer's own date tells. */
function describeClock(headers: Headers, now: number): string {
  const behind = Date.parse(headers.get('date') ?? '') - now
  if (Number.isNaN(behind) || Math.abs(behind) < SKEW_MS) return ''
  const seconds = Math.round(Math.abs(behind) / 1000)
  return ` The clock here is ${seconds} s ${behind > 0 ? 'behind' : 'ahead of'} the authority's: set it right.`
}
