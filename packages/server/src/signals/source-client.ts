import { AppError } from '@valetkey/sdk/core'
import { importJWK, type JWK } from 'jose'
import * as oauth from 'openid-client'
import * as z from 'zod'
import { checkAddress, type InputOf } from '../directory/index.ts'
import { type LimitedFetch, OutboundFault } from '../outbound/index.ts'

/** As which OAuth client a transmitter is asked: all that a token takes but the proof, found once and then held to. */
export const SourceClient = z.object({
  id: z.string(),
  method: z.enum(['client_secret_basic', 'client_secret_post', 'private_key_jwt']),
  authorizationServer: z.string(),
  tokenUrl: z.string(),
  /** What tokens are for (RFC 8707), where the transmitter says. */
  resource: z.string().nullable(),
})
export type SourceClient = z.output<typeof SourceClient>

type Wish = NonNullable<InputOf<'signalSources', 'create'>['client']>

/** What a transmitter says of itself (SSF 1.0 section 7.1), as far as it matters here. */
const Metadata = z.object({
  issuer: z.string(),
  jwks_uri: z.string().optional(),
  configuration_endpoint: z.url().optional(),
  authorization_schemes: z.array(z.looseObject({ spec_urn: z.string() })).optional(),
})
export type TransmitterMetadata = z.output<typeof Metadata>

/** RFC 6749, in the words of SSF. */
const BY_OAUTH = 'urn:ietf:rfc:6749'
const ResourceMetadata = z.object({
  resource: z.url(),
  authorization_servers: z.array(z.url()).min(1),
})

/** Asks a transmitter what it is; it must call itself what we call it. */
export async function readTransmitter(fetch: LimitedFetch, issuer: string): Promise<TransmitterMetadata> {
  const { origin, pathname } = new URL(issuer)
  const url = `${origin}/.well-known/ssf-configuration${pathname.replace(/\/$/, '')}`
  const metadata = await readJson(fetch, url, Metadata).catch(cause => {
    throw new AppError('request.invalid', `${url} does not say what it is. Name its keys: jwksUri.`, {
      cause,
      path: 'issuer',
    })
  })
  if (metadata.issuer === issuer) return metadata
  throw new AppError('request.invalid', `${url} calls itself otherwise.`, { path: 'issuer' })
}

/**
 * Finds where a client of a transmitter gets its tokens. What it proves itself by goes to an authorization server of the
 * transmitter's own origin, or to one that the administrator has named, and to no other host than that.
 */
export async function findClient(
  fetch: LimitedFetch,
  metadata: TransmitterMetadata,
  wish: Wish,
): Promise<SourceClient> {
  const { issuer, authorization_schemes: schemes } = metadata
  if (schemes && !schemes.some(({ spec_urn }) => spec_urn === BY_OAUTH))
    throw invalid(`${issuer} takes no OAuth clients. Name the header that it wants: authorization.`)
  const found = await findResource(fetch, metadata)
  const own = found?.servers.find(server => isOfOrigin(server, issuer))
  const authorizationServer = wish.authorizationServer ?? own
  if (authorizationServer === undefined)
    throw invalid(
      found
        ? `${issuer} has its tokens issued by ${found.servers[0]}. If that is right, name it: authorizationServer.`
        : `${issuer} does not say who issues its tokens. Name it: authorizationServer.`,
    )
  if (found && !found.servers.includes(authorizationServer))
    throw invalid(`${issuer} takes no tokens of ${authorizationServer}.`)
  const { tokenUrl, methods } = await readAuthorizationServer(fetch, authorizationServer)
  const bySecret = methods.includes('client_secret_basic') ? 'client_secret_basic' : 'client_secret_post'
  return {
    ...{ id: wish.id, authorizationServer, tokenUrl, resource: found?.resource ?? null },
    method: wish.privateJwk ? 'private_key_jwt' : bySecret,
  }
}

/** What tokens are for and who issues them, as the challenge of the transmitter says (RFC 9728 section 5). */
async function findResource(
  fetch: LimitedFetch,
  { issuer, configuration_endpoint: endpoint }: TransmitterMetadata,
): Promise<{ resource: string; servers: string[] } | undefined> {
  if (endpoint === undefined) return undefined
  checkAddress(endpoint, 'issuer')
  const said = await ask(fetch, endpoint)
  const challenge = said.headers.get('www-authenticate') ?? ''
  const url = /\bresource_metadata="([^"\s]+)"/i.exec(challenge)?.[1]
  if (url === undefined) return undefined
  if (!isOfOrigin(url, endpoint)) throw invalid(`${issuer} describes itself at another host, ${url}.`)
  const { resource, authorization_servers: servers } = await readJson(fetch, url, ResourceMetadata).catch(
    cause => {
      throw invalid(`${url} does not say who issues tokens.`, cause)
    },
  )
  const isOwn = isOfOrigin(resource, endpoint) && new URL(endpoint).pathname.startsWith(pathOf(resource))
  if (isOwn) return { resource, servers }
  throw invalid(`${url} speaks of another resource, ${resource}.`)
}

/** An authorization server by its metadata (RFC 8414), or a provider's; it must call itself what we call it. */
async function readAuthorizationServer(
  fetch: LimitedFetch,
  issuer: string,
): Promise<{ tokenUrl: string; methods: readonly string[] }> {
  checkAddress(issuer, 'client.authorizationServer')
  const discover = (algorithm: 'oauth2' | 'oidc') =>
    oauth.discovery(new URL(issuer), 'none', undefined, oauth.None(), {
      [oauth.customFetch]: (url, init) => fetch(url, init as RequestInit),
      ...{ algorithm, execute: issuer.startsWith('http:') ? [oauth.allowInsecureRequests] : [] },
    })
  const configuration = await discover('oauth2')
    .catch(() => discover('oidc'))
    .catch(cause => {
      throw invalid(`${issuer} does not say what it is, as an authorization server would.`, cause)
    })
  const { token_endpoint: tokenUrl, token_endpoint_auth_methods_supported: methods } =
    configuration.serverMetadata()
  if (tokenUrl === undefined || !isOfOrigin(tokenUrl, issuer))
    throw invalid(`${issuer} issues no tokens at an address of its own.`)
  return { tokenUrl, methods: methods ?? ['client_secret_basic'] }
}

/** A token for a client, by the client credentials grant (RFC 6749 section 4.4). */
export async function askToken(
  fetch: LimitedFetch,
  { id, method, authorizationServer, tokenUrl, resource }: SourceClient,
  { credential, scope }: { credential: string; scope: string },
): Promise<{ token: string; seconds: number | undefined }> {
  const configuration = new oauth.Configuration(
    { issuer: authorizationServer, token_endpoint: tokenUrl },
    id,
    undefined,
    await proofOf(method, credential),
  )
  configuration[oauth.customFetch] = (url, init) => fetch(url, init as RequestInit)
  if (tokenUrl.startsWith('http:')) oauth.allowInsecureRequests(configuration)
  const answer = await oauth.clientCredentialsGrant(configuration, {
    scope,
    ...(resource !== null && { resource }),
  })
  return { token: answer.access_token, seconds: answer.expires_in }
}

async function proofOf(method: SourceClient['method'], credential: string): Promise<oauth.ClientAuth> {
  if (method === 'client_secret_basic') return oauth.ClientSecretBasic(credential)
  if (method === 'client_secret_post') return oauth.ClientSecretPost(credential)
  return oauth.PrivateKeyJwt(await readPrivateKey(JSON.parse(credential) as JWK))
}

/** A private key that assertions can be signed by; with its `kid`, so that the other side finds the public one. */
export async function readPrivateKey(jwk: JWK): Promise<{ key: CryptoKey; kid?: string }> {
  const alg = jwk.alg ?? (jwk.kty === 'RSA' ? 'RS256' : undefined)
  const key = await importJWK(jwk, alg ?? (jwk.kty === 'EC' ? ALGORITHMS[jwk.crv ?? ''] : 'EdDSA')).catch(
    () => undefined,
  )
  if (key instanceof Uint8Array || key?.type !== 'private')
    throw new AppError('request.invalid', 'This is no private key as JWK that signs.', {
      path: 'client.privateJwk',
    })
  return { key, ...(jwk.kid !== undefined && { kid: jwk.kid }) }
}

const ALGORITHMS: Record<string, string> = { 'P-256': 'ES256', 'P-384': 'ES384', 'P-521': 'ES512' }

/** Why there is no token, in the words of the other side where it has said any. */
export function tokenFault(cause: unknown): string {
  for (let one = cause, depth = 0; one instanceof Error && depth < 5; one = one.cause, depth++) {
    const { error, status } = one as { error?: unknown; status?: unknown }
    if (typeof error === 'string' && /^[\x20-\x7e]{1,60}$/.test(error)) return error
    // RFC 6749 section 5.2: a challenge is for a client that did not prove itself.
    if (status === 401) return 'invalid_client'
    if (one instanceof OutboundFault) return one.reason
  }
  return 'no answer'
}

async function ask(fetch: LimitedFetch, url: string): Promise<Response> {
  return fetch(url, { headers: { accept: 'application/json' } }).catch(cause => {
    throw invalid(`${url} does not answer.`, cause)
  })
}

async function readJson<T extends z.ZodType>(
  fetch: LimitedFetch,
  url: string,
  schema: T,
): Promise<z.output<T>> {
  const response = await fetch(url, { headers: { accept: 'application/json' } })
  if (!response.ok) throw new Error(`status ${response.status}`)
  return schema.parse(await response.json())
}

/** Whether two addresses lie at the same host and port, reached in the same way. */
export function isOfOrigin(url: string, other: string): boolean {
  return URL.parse(url)?.origin === new URL(other).origin
}

function pathOf(url: string): string {
  return new URL(url).pathname.replace(/\/$/, '')
}

export function invalid(sentence: string, cause?: unknown): AppError {
  return new AppError('request.invalid', sentence, { path: 'client', ...(cause !== undefined && { cause }) })
}
