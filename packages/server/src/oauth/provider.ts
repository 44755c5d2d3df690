import { errors, type KoaContext, Provider } from 'oidc-provider'
import type { Store } from '../store/index.ts'
import { CLOCK_SKEW_SECONDS } from './assertion.ts'
import { OFFLINE } from './authorization-code.ts'
import {
  addPeopleGrants,
  forPeople,
  type PeopleOptions,
  renderError,
  resourceIndicators,
} from './authorization-endpoint.ts'
import {
  assertionHook,
  attemptOf,
  authenticateByOwnTables,
  type ClientAuthenticationOptions,
} from './client-authentication.ts'
import { clientCredentialsGrant, type GrantOptions } from './client-credentials.ts'
import type { Log } from './log.ts'
import { ASSERTION_ALGORITHMS, AUTH_METHODS } from './metadata.ts'
import { createOauthState } from './oauth-state.ts'
import { looksLikeRefreshToken } from './refresh-family.ts'
import { revokeRefreshToken } from './refresh-token.ts'
import type { Refusal } from './refusals.ts'
import { revokeAccessToken } from './revocation.ts'
import type { SigningKey } from './signing-key.ts'

export interface ProviderOptions extends ClientAuthenticationOptions, GrantOptions {
  store: Store
  key: SigningKey
  refused: (refusal: Refusal) => void
  log: Log
  /** Where people sign in and consent; undefined switches the authorization endpoint off. */
  people?: PeopleOptions | undefined
}

/** Sets up oidc-provider with our clients, our grant, our storage and our revocation, and all else switched off. */
export function createProvider(options: ProviderOptions): Provider {
  const { store, issuer, key, now, log, people } = options
  const off = { enabled: false }
  const provider = new Provider(issuer, {
    adapter: createOauthState(store, now),
    jwks: { keys: [key.privateJwk] },
    clientAuthMethods: people ? [...AUTH_METHODS, 'none'] : AUTH_METHODS,
    clientDefaults: { id_token_signed_response_alg: key.alg },
    enabledJWA: { clientAuthSigningAlgValues: ASSERTION_ALGORITHMS },
    clockTolerance: CLOCK_SKEW_SECONDS,
    assertJwtClientAuthClaimsAndHeader: assertionHook(options),
    // No cookies and no ambient authority here: another origin can do nothing that it could not do without a browser.
    clientBasedCORS: () => true,
    renderError: (ctx: KoaContext, out: { error: string; error_description?: string }) =>
      renderError(people, ctx, out),
    responseTypes: people ? ['code'] : [],
    scopes: people ? [OFFLINE] : [],
    pkce: { required: () => true },
    allowOmittingSingleRegisteredRedirectUri: false,
    routes: {
      authorization: '/authorize',
      token: '/token',
      revocation: '/token/revocation',
      jwks: '/jwks',
    },
    ...(people && forPeople(people)),
    features: {
      clientCredentials: { enabled: true },
      revocation: { enabled: true },
      devInteractions: off,
      dPoP: off,
      pushedAuthorizationRequests: off,
      requestObjects: off,
      resourceIndicators: people ? resourceIndicators(people) : off,
      rpInitiatedLogout: off,
      userinfo: off,
    },
  })
  authenticateByOwnTables(provider, options)
  provider.registerGrantType(
    'client_credentials',
    clientCredentialsGrant(options),
    ['scope', 'resource', 'grant_id'],
    ['resource'],
  )
  if (people) addPeopleGrants(provider, { ...options, refreshKey: people.refreshKey })
  provider.use(answerRevocation(options))
  provider.on('error', error => log.error({ err: error }, 'the authorization server failed'))
  provider.on('server_error', (_ctx, error) => log.error({ err: error }, 'the authorization server failed'))
  provider.on('grant.error', (ctx, error) => noteRefusal(options, ctx, error))
  provider.on('authorization.error', (ctx, error) => noteRefusal(options, ctx, error))
  provider.on('revocation.error', (ctx, error) => noteRefusal(options, ctx, error))
  return provider
}

/**
 * oidc-provider authenticates the client and then refuses to revoke a JWT (`unsupported_token_type`), as it keeps no
 * list of them. We do, and take over from there.
 */
function answerRevocation(options: ProviderOptions) {
  return async (ctx: KoaContext, next: () => Promise<void>): Promise<void> => {
    await next()
    ctx.set('cache-control', 'no-store')
    if (ctx.oidc.route !== 'revocation') return
    const isRefresh =
      options.people && ctx.oidc.client && looksLikeRefreshToken(String(ctx.oidc.params['token'] ?? ''))
    if (!isRefresh && errorOf(ctx.body) !== 'unsupported_token_type') return
    try {
      if (isRefresh && options.people)
        await revokeRefreshToken({ ...options, refreshKey: options.people.refreshKey }, ctx)
      else await revokeAccessToken(ctx, options)
      ctx.status = 200
      ctx.body = ''
    } catch (error) {
      if (!(error instanceof errors.OIDCProviderError)) throw error
      ctx.status = error.statusCode
      ctx.body = { error: error.error, error_description: error.error_description }
      noteRefusal(options, ctx, error)
    }
  }
}

function errorOf(body: unknown): unknown {
  return typeof body === 'object' && body !== null && 'error' in body ? body.error : undefined
}

/** Counts failed authentications and puts the reason on record; the caller has been told no more than the error. */
function noteRefusal(options: ProviderOptions, ctx: KoaContext, error: errors.OIDCProviderError): void {
  if (error.error === 'unsupported_token_type') return
  if (error.statusCode === 503) {
    options.log.error({ err: error.cause ?? error }, 'the authorization server cannot reach its database')
    return
  }
  const attempt = attemptOf(ctx)
  const address = options.addressOf(ctx.req)
  if (error.error === 'invalid_client') options.limit.failed(attempt.client ?? '', address)
  const { params = {} } = ctx.oidc
  options.refused({
    organization: attempt.caller?.organization,
    agent: attempt.credential && attempt.caller?.agent,
    client: attempt.client,
    credential: attempt.credential?.id,
    error: error.error,
    reason: reasonOf(ctx, error),
    audience: text(params['resource']),
    scope: text(params['scope']),
    address,
  })
}

function reasonOf(ctx: KoaContext, error: errors.OIDCProviderError): string {
  const attempt = attemptOf(ctx)
  const ours = error.error === 'invalid_client' && !attempt.credential ? attempt.refusal : undefined
  return ours ?? error.error_detail ?? error.error_description ?? error.error
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}
