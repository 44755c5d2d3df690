import { AppError } from '../core/index.ts'
import { authenticate, type Self } from './ask.ts'
import type { Source } from './source.ts'
import type { Wanted } from './token-request.ts'

/** What the transports of the MCP SDK v2 take as `authProvider`. */
export interface AuthProvider {
  token(): Promise<string>
  onUnauthorized(): Promise<void>
}

/**
 * What the transports of the MCP SDK v1 take as `authProvider`, and of v2 as well. Tokens come from the agent; where a
 * server takes none of them, the SDK asks the authority once more by the agent's own credential, and stops.
 */
export interface OAuthProvider {
  readonly redirectUrl: undefined
  readonly clientMetadata: {
    client_name: string
    redirect_uris: string[]
    grant_types: string[]
    token_endpoint_auth_method: string
  }
  clientInformation(): Promise<{ client_id: string; issuer: string }>
  tokens(): Promise<{ access_token: string; token_type: string }>
  saveTokens(): void
  redirectToAuthorization(): void
  saveCodeVerifier(): void
  codeVerifier(): string
  addClientAuthentication(headers: Headers, params: URLSearchParams, url: string | URL): Promise<void>
  prepareTokenRequest(): Promise<URLSearchParams>
  invalidateCredentials(): Promise<void>
}

export function createAuthProvider(source: Source, wanted: Wanted): AuthProvider {
  return {
    token: async () => (await source.get(wanted, false)).value,
    async onUnauthorized() {
      source.drop(wanted, false)
      // Says why where the agent may not any more; the transport then does not try again.
      await source.get(wanted, false)
    },
  }
}

export function createOAuthProvider(
  source: Source,
  wanted: Wanted,
  self: () => Promise<Self & { tokenEndpoint: string }>,
): OAuthProvider {
  const { resource, scope } = wanted
  return {
    redirectUrl: undefined,
    clientMetadata: {
      ...{ client_name: 'agent', redirect_uris: [], grant_types: ['client_credentials'] },
      token_endpoint_auth_method: 'private_key_jwt',
    },
    async clientInformation() {
      const { clientId, issuer } = await self()
      return { client_id: clientId, issuer }
    },
    tokens: async () => ({ access_token: (await source.get(wanted, false)).value, token_type: 'Bearer' }),
    // The agent's own tokens are the ones that count: what the SDK fetched only says that the agent still may.
    saveTokens() {},
    redirectToAuthorization() {
      throw new AppError('request.invalid', 'This agent acts as itself: there is nobody to send to a page.')
    },
    saveCodeVerifier() {},
    codeVerifier() {
      throw new AppError('request.invalid', 'This agent acts as itself: no code is on its way.')
    },
    async addClientAuthentication(headers, params, url) {
      const { tokenEndpoint, ...known } = await self()
      // The server says which authority is asked: one of its own would show what it is given to ours.
      if (URL.parse(url)?.href !== new URL(tokenEndpoint).href)
        throw new AppError(
          'token.refused',
          `${resource} asks for the credential of this agent at ${url}: it stays here.`,
        )
      await authenticate(known, headers, params)
    },
    async prepareTokenRequest() {
      source.drop(wanted, false)
      await source.get(wanted, false)
      return new URLSearchParams({ grant_type: 'client_credentials', resource, ...(scope && { scope }) })
    },
    async invalidateCredentials() {
      source.drop(wanted, false)
      await source.get(wanted, false)
    },
  }
}
