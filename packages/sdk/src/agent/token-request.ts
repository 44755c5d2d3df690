import { SignJWT } from 'jose'
import * as z from 'zod'
import { AppError } from '../core/index.ts'
import { type Authority, reach } from './authority.ts'
import type { Signer } from './key.ts'

/** How an agent proves itself: by a key that never leaves it, or by a secret. */
export type Proof = { signer: Signer } | { secret: string }

/** A token for one MCP server. */
export interface Wanted {
  /** The URL of the MCP server. */
  resource: string
  /** Scopes, separated by spaces; all that the agent may have, where it is left out. */
  scope?: string | undefined
  /** The grant of the person for whom the agent acts; itself, where it is left out. */
  grant?: string | undefined
}

export interface Token {
  value: string
  /** Milliseconds since 1970. */
  expiresAt: number
}

const Answer = z.object({
  access_token: z.string().min(1),
  token_type: z.string().regex(/^bearer$/i),
  expires_in: z.number().positive(),
})
const Refusal = z.object({ error: z.string(), error_description: z.string().optional() })
const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
const ASSERTION_SECONDS = 60

/** Asks the authority for a token (RFC 6749 §4.4, RFC 8707). */
export async function requestToken(options: {
  authority: Authority
  clientId: string
  proof: Proof
  wanted: Wanted
  fetch: typeof globalThis.fetch
  now: number
}): Promise<Token> {
  const { authority, clientId, proof, wanted, fetch, now } = options
  const form = new URLSearchParams({ grant_type: 'client_credentials', resource: wanted.resource })
  if (wanted.scope) form.set('scope', wanted.scope)
  if (wanted.grant) form.set('grant_id', wanted.grant)
  const headers = new Headers({ accept: 'application/json' })
  if ('secret' in proof) headers.set('authorization', basic(clientId, proof.secret))
  else {
    form.set('client_assertion_type', ASSERTION_TYPE)
    form.set('client_assertion', await assert(proof.signer, clientId, authority.issuer, now))
  }
  const response = await reach(fetch, authority.tokenEndpoint, { method: 'POST', headers, body: form })
  const body: unknown = await response.json().catch(() => undefined)
  const answer = Answer.safeParse(body)
  if (response.ok && answer.success)
    return { value: answer.data.access_token, expiresAt: now + answer.data.expires_in * 1000 }
  throw refusalOf(response, body, wanted)
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

function refusalOf(response: Response, body: unknown, { resource }: Wanted): AppError {
  const refusal = Refusal.safeParse(body)
  if (response.status >= 500 || response.status === 429 || !refusal.success)
    return new AppError(
      'authority.unreachable',
      `The authority gives no token now (HTTP ${response.status}).`,
    )
  const { error, error_description: sentence } = refusal.data
  const reason = sentence ? `${error} (${sentence})` : error
  return new AppError('token.refused', `The authority refuses a token for ${resource}: ${reason}.`)
}
