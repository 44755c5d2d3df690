import * as z from 'zod'
import { AppError } from '../core/index.ts'
import { type Asking, ask } from './ask.ts'

/** A token for one MCP server. */
export interface Wanted {
  /** The URL of the MCP server. */
  resource: string
  /** Scopes, separated by spaces; all that the agent may have, where it is left out. */
  scope?: string | undefined
  /** The grant of the person for whom the agent acts; itself, where it is left out. */
  grant?: string | undefined
  /** The delegation by which it acts for another agent. */
  delegation?: string | undefined
}

export interface Token {
  value: string
  /** Milliseconds since 1970. */
  expiresAt: number
  scope: string | undefined
}

/** What the token endpoint gives beside the token. */
export interface Issued {
  token: Token
  refreshToken: string | undefined
  delegation: string | undefined
}

const Answer = z.object({
  access_token: z.string().min(1),
  token_type: z.string().regex(/^(bearer|dpop)$/i),
  expires_in: z.number().positive(),
  scope: z.string().optional(),
  refresh_token: z.string().optional(),
  delegation_id: z.string().optional(),
})
const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange'
export const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token'
const DELEGATION = 'urn:valetkey:params:oauth:token-type:delegation'
const HANDLE = 'urn:valetkey:params:oauth:token-type:delegation-handle'

/** Asks the authority for a token (RFC 6749 §4.4, RFC 8707; by a delegation RFC 8693; by a platform's word RFC 7523). */
export async function requestToken(asking: Asking, wanted: Wanted): Promise<Token> {
  const { resource, scope, grant, delegation } = wanted
  const form = { resource, scope: scope || undefined }
  if (delegation !== undefined)
    return (await requestBy(asking, { ...form, ...exchange(delegation, DELEGATION) })).token
  const { proof } = asking
  const by =
    'workload' in proof
      ? { grant_type: JWT_BEARER, assertion: await proof.workload() }
      : { grant_type: 'client_credentials', grant_id: grant || undefined }
  return (await requestBy(asking, { ...form, ...by })).token
}

/** Takes up a delegation by its handle, once; with it comes the first token. */
export async function redeemHandle(
  asking: Asking,
  handle: string,
  { resource, scope }: Pick<Wanted, 'resource' | 'scope'>,
): Promise<{ token: Token; delegation: string }> {
  const { token, delegation } = await requestBy(asking, { resource, scope, ...exchange(handle, HANDLE) })
  if (delegation === undefined)
    throw new AppError('authority.unreachable', 'The authority does not say which delegation this is.')
  return { token, delegation }
}

/** What an MCP server gets for another one, in exchange for a token that was shown to it. */
export async function exchangeInbound(asking: Asking, inbound: string, wanted: Wanted): Promise<Token> {
  const { resource, scope } = wanted
  return (
    await requestBy(asking, { resource, scope: scope || undefined, ...exchange(inbound, ACCESS_TOKEN) })
  ).token
}

function exchange(subject_token: string, subject_token_type: string) {
  return { grant_type: EXCHANGE, subject_token, subject_token_type }
}

/** One request to the token endpoint. Where a key is proven the token must be bound to it: nothing less is taken. */
export async function requestBy(asking: Asking, form: Record<string, string | undefined>): Promise<Issued> {
  const { authority, prover } = asking
  // Counted from before the question: its way there and back only shortens the token's life.
  const askedAt = asking.now()
  const answer = await ask(asking, authority.tokenEndpoint, form, Answer, `a token for ${form['resource']}`)
  const isBound = answer.token_type.toLowerCase() === 'dpop'
  if (isBound !== (prover !== undefined))
    throw new AppError(
      'authority.unreachable',
      prover
        ? 'The authority did not bind the token to the key that was proven: it is not used.'
        : 'The authority bound a token to a key that nobody asked for.',
    )
  return {
    token: { value: answer.access_token, expiresAt: askedAt + answer.expires_in * 1000, scope: answer.scope },
    refreshToken: answer.refresh_token,
    delegation: answer.delegation_id,
  }
}
