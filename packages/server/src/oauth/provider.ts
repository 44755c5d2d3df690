import { errors, interactionPolicy, type KoaContext, Provider } from 'oidc-provider'
import type { Store } from '../store/index.ts'
import { CLOCK_SKEW_SECONDS } from './assertion.ts'
import { authorizationCodeGrant, OFFLINE } from './authorization-code.ts'
import { SESSION_COOKIE } from './authorize.ts'
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
import { looksLikeRefreshToken, type RefreshKey } from './refresh-family.ts'
import { refreshTokenGrant, revokeRefreshToken } from './refresh-token.ts'
import type { Refusal } from './refusals.ts'
import { revokeAccessToken } from './revocation.ts'
import type { SigningKey } from './signing-key.ts'
import type { Target } from './target.ts'
import { available } from './trouble.ts'

export interface ProviderOptions extends ClientAuthenticationOptions, GrantOptions {
  store: Store
  key: SigningKey
  refused: (refusal: Refusal) => void
  log: Log
  /** Where people sign in and consent; undefined switches the authorization endpoint off. */
  people?: PeopleOptions | undefined
}

export interface PeopleOptions {
  /** Path of the page on which a request is answered. */
  pageOf: (id: string) => string
  /** The page for a request that cannot be sent back to its client. */
  problemPage: (problem: { error: string; description: string }) => Promise<Response>
  /** Signs the cookies by which a browser finds its request. */
  cookieKey: string
  refreshKey: RefreshKey
  findTargetNow: (resource: string) => Promise<Target | undefined>
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
  if (people) {
    const acting = { ...options, refreshKey: people.refreshKey }
    provider.proxy = true
    const parameters = ['code', 'code_verifier', 'redirect_uri', 'resource']
    provider.registerGrantType('authorization_code', authorizationCodeGrant(acting, provider), parameters, [])
    const renewing = ['refresh_token', 'scope', 'resource']
    provider.registerGrantType('refresh_token', refreshTokenGrant(acting), renewing, [])
  }
  provider.use(answerRevocation(options))
  provider.on('error', error => log.error({ err: error }, 'the authorization server failed'))
  provider.on('server_error', (_ctx, error) => log.error({ err: error }, 'the authorization server failed'))
  provider.on('grant.error', (ctx, error) => noteRefusal(options, ctx, error))
  provider.on('authorization.error', (ctx, error) => noteRefusal(options, ctx, error))
  provider.on('revocation.error', (ctx, error) => noteRefusal(options, ctx, error))
  return provider
}

/** Everybody is asked every time, on a page of ours; what comes of it lasts as long as the request. */
function forPeople({ pageOf, cookieKey }: PeopleOptions) {
  const { Check, Prompt } = interactionPolicy
  const consent = new Check(
    'not_answered',
    'the person has not answered yet',
    ctx => !ctx.oidc.result?.consent?.grantId,
  )
  return {
    interactions: {
      url: (_ctx: KoaContext, { uid }: { uid: string }) => pageOf(uid),
      policy: [
        new Prompt({ name: 'login', requestable: true }),
        new Prompt({ name: 'consent', requestable: true }, consent),
      ],
    },
    cookies: {
      keys: [cookieKey],
      names: { session: SESSION_COOKIE, interaction: 'valetkey_request', resume: 'valetkey_resume' },
    },
    findAccount: (_ctx: KoaContext, accountId: string) => ({ accountId, claims: () => ({ sub: accountId }) }),
    expiresWithSession: () => false,
    ttl: { AuthorizationCode: 60, Interaction: 900, Session: 900, Grant: 900 },
  }
}

/** RFC 8707: one server a request, by a URL that is registered. */
function resourceIndicators({ findTargetNow }: PeopleOptions) {
  const refuse = (reason: string) => new errors.InvalidTarget(undefined, reason)
  return {
    enabled: true,
    defaultResource: () => {
      throw refuse('resource_missing')
    },
    useGrantedResource: () => true,
    async getResourceServerInfo(ctx: KoaContext, resource: string) {
      if (Array.isArray(ctx.oidc.params['resource'])) throw refuse('resource_repeated')
      const target = await available(findTargetNow(resource))
      if (!target) throw refuse('resource_unknown')
      if (!target.active) throw refuse('server_frozen')
      return { audience: target.audience, scope: target.scopes.join(' '), accessTokenFormat: 'opaque' }
    },
  }
}

/** A program reads JSON; somebody whose browser has come here reads a page. */
async function renderError(
  people: PeopleOptions | undefined,
  ctx: KoaContext,
  out: { error: string; error_description?: string },
): Promise<void> {
  if (!people || !['authorization', 'resume'].includes(ctx.oidc.route)) {
    ctx.body = out
    return
  }
  const page = await people.problemPage({ error: out.error, description: out.error_description ?? '' })
  for (const [name, value] of page.headers) ctx.set(name, value)
  ctx.body = await page.text()
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
