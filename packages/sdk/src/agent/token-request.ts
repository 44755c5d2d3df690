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
}

const Answer = z.object({
  access_token: z.string().min(1),
  token_type: z.string().regex(/^bearer$/i),
  expires_in: z.number().positive(),
  delegation_id: z.string().optional(),
})
const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange'
const DELEGATION = 'urn:valetkey:params:oauth:token-type:delegation'
const HANDLE = 'urn:valetkey:params:oauth:token-type:delegation-handle'

/** Asks the authority for a token (RFC 6749 §4.4, RFC 8707; by a delegation RFC 8693). */
export async function requestToken(asking: Asking, wanted: Wanted): Promise<Token> {
  const { resource, scope, grant, delegation } = wanted
  const form = { resource, scope: scope || undefined }
  const answer =
    delegation === undefined
      ? await post(asking, { ...form, grant_type: 'client_credentials', grant_id: grant || undefined })
      : await post(asking, { ...form, ...exchange(delegation, DELEGATION) })
  return answer.token
}

/** Takes up a delegation by its handle, once; with it comes the first token. */
export async function redeemHandle(
  asking: Asking,
  handle: string,
  { resource, scope }: Pick<Wanted, 'resource' | 'scope'>,
): Promise<{ token: Token; delegation: string }> {
  const { token, delegation } = await post(asking, { resource, scope, ...exchange(handle, HANDLE) })
  if (delegation === undefined)
    throw new AppError('authority.unreachable', 'The authority does not say which delegation this is.')
  return { token, delegation }
}

function exchange(subject_token: string, subject_token_type: string) {
  return { grant_type: EXCHANGE, subject_token, subject_token_type }
}

async function post(
  asking: Asking,
  form: Record<string, string | undefined>,
): Promise<{ token: Token; delegation: string | undefined }> {
  const answer = await ask(
    asking,
    asking.authority.tokenEndpoint,
    form,
    Answer,
    `a token for ${form['resource']}`,
  )
  return {
    token: { value: answer.access_token, expiresAt: asking.now + answer.expires_in * 1000 },
    delegation: answer.delegation_id,
  }
}
