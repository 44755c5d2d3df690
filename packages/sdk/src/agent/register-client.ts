import type { JWK } from 'jose'
import * as z from 'zod'
import { AppError } from '../core/index.ts'
import { discoverAuthority, reach } from './authority.ts'
import { generateAgentKey } from './key.ts'
import { CALLBACK } from './person/loopback.ts'

/** How a program is known to an authority where it registered itself: options for `createAgent`. */
export type Registration = { issuer: string; clientId: string } & (
  | { key: JWK }
  | { secret: string; secretIn: 'header' | 'body' }
  | { isPublic: true }
)

/** From best to worst; what an authority does not say is RFC 7591's default. */
const METHODS = ['private_key_jwt', 'client_secret_basic', 'client_secret_post', 'none']
const Answer = z.object({
  client_id: z.string().min(1),
  client_secret: z.string().min(1).optional(),
  token_endpoint_auth_method: z.string().optional(),
})

/**
 * Registers a program at somebody else's authority, so that people can let it act for them there (RFC 7591). Agents of your
 * own are enrolled instead.
 * @example const agent = createAgent(await registerClient({ issuer, name: 'Support bot' }))
 */
export async function registerClient(options: {
  issuer: string
  /** What people read where they are asked. */
  name: string
  fetch?: typeof globalThis.fetch
}): Promise<Registration> {
  const { issuer, name, fetch = globalThis.fetch } = options
  const { registrationEndpoint, authMethods } = await discoverAuthority(issuer, fetch)
  if (registrationEndpoint === undefined)
    throw new AppError(
      'config.invalid',
      `${issuer} takes no registrations: have the program registered there.`,
    )
  const offered = authMethods.length === 0 ? ['client_secret_basic'] : authMethods
  const method = METHODS.find(known => offered.includes(known))
  if (method === undefined)
    throw new AppError(
      'config.invalid',
      `${issuer} lets programs prove themselves only by ${offered.join(', ')}.`,
    )
  const pair = method === 'private_key_jwt' ? await generateAgentKey() : undefined
  const response = await reach(fetch, registrationEndpoint, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json' },
    body: JSON.stringify({
      ...{ client_name: name, redirect_uris: [CALLBACK], application_type: 'native' },
      ...{ grant_types: ['authorization_code', 'refresh_token'], response_types: ['code'] },
      token_endpoint_auth_method: method,
      ...(pair && { jwks: { keys: [pair.publicKey] } }),
    }),
  })
  const answer = Answer.safeParse(await response.json().catch(() => undefined))
  if (!response.ok || !answer.success)
    throw new AppError('token.refused', `${issuer} does not register the program (HTTP ${response.status}).`)
  return toRegistration(issuer, answer.data, method, pair?.privateKey)
}

/** What it made of the request counts, where that differs. */
function toRegistration(
  issuer: string,
  answer: z.infer<typeof Answer>,
  asked: string,
  key: JWK | undefined,
): Registration {
  const { client_id: clientId, client_secret: secret, token_endpoint_auth_method: method = asked } = answer
  const known = { issuer, clientId }
  if (method === 'private_key_jwt' && key) return { ...known, key }
  if (method === 'none') return { ...known, isPublic: true }
  if (secret !== undefined && method === 'client_secret_basic')
    return { ...known, secret, secretIn: 'header' }
  if (secret !== undefined && method === 'client_secret_post') return { ...known, secret, secretIn: 'body' }
  throw new AppError(
    'token.refused',
    `${issuer} registered the program for ${method}, without what that takes.`,
  )
}
