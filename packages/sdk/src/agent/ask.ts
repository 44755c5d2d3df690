import { SignJWT } from 'jose'
import * as z from 'zod'
import { AppError } from '../core/index.ts'
import { type Authority, reach } from './authority.ts'
import type { Signer } from './key.ts'

/** How an agent proves itself: by a key that never leaves it, or by a secret. */
export type Proof = { signer: Signer } | { secret: string }

/** Who asks the authority, and when. */
export interface Asking {
  authority: Authority
  clientId: string
  proof: Proof
  fetch: typeof globalThis.fetch
  now: number
}

const Refusal = z.object({ error: z.string(), error_description: z.string().optional() })
const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
const ASSERTION_SECONDS = 60

/** Sends a form to an endpoint of the authority as this agent. A "no" is `token.refused`: then the agent must stop. */
export async function ask<T>(
  { authority, clientId, proof, fetch, now }: Asking,
  endpoint: string,
  fields: Record<string, string | readonly string[] | undefined>,
  schema: z.ZodType<T>,
  what: string,
): Promise<T> {
  const form = new URLSearchParams()
  for (const [name, value] of Object.entries(fields))
    for (const one of value === undefined ? [] : [value].flat()) form.append(name, one)
  const headers = new Headers({ accept: 'application/json' })
  if ('secret' in proof) headers.set('authorization', basic(clientId, proof.secret))
  else {
    form.set('client_assertion_type', ASSERTION_TYPE)
    form.set('client_assertion', await assert(proof.signer, clientId, authority.issuer, now))
  }
  const response = await reach(fetch, endpoint, { method: 'POST', headers, body: form })
  const body: unknown = await response.json().catch(() => undefined)
  const answer = schema.safeParse(body)
  if (response.ok && answer.success) return answer.data
  throw refusalOf(response, body, what)
}

/** RFC 7523 as updated: addressed to the issuer alone, short, used once. */
function assert({ key, header }: Signer, clientId: string, issuer: string, now: number): Promise<string> {
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

function refusalOf(response: Response, body: unknown, what: string): AppError {
  const refusal = Refusal.safeParse(body)
  if (response.status >= 500 || response.status === 429 || !refusal.success)
    return new AppError(
      'authority.unreachable',
      `The authority gives no token now (HTTP ${response.status}).`,
    )
  const { error, error_description: sentence } = refusal.data
  const reason = sentence ? `${error} (${sentence})` : error
  return new AppError('token.refused', `The authority refuses ${what}: ${reason}.`)
}
