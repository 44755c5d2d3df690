import { generateKeyPairSync } from 'node:crypto'
import { type KoaContext, Provider } from 'oidc-provider'
import { OFFLINE } from './authorization/authorize.ts'
import { richAuthorizationRequests } from './authorization/details.ts'
import {
  addPeopleGrants,
  forPeople,
  type PeopleOptions,
  renderError,
  resourceIndicators,
} from './authorization/endpoint.ts'
import { CLOCK_SKEW_SECONDS } from './client/assertion.ts'
import {
  assertionHook,
  authenticateByOwnTables,
  type ClientAuthenticationOptions,
} from './client/authentication.ts'
import { addDelegations } from './delegation/endpoint.ts'
import type { ExchangeOptions } from './delegation/exchange.ts'
import type { ActingOptions } from './grant/acting-token.ts'
import { addClientCredentials } from './grant/client-credentials.ts'
import { addTokenExchange } from './grant/token-exchange.ts'
import type { EnterpriseOptions } from './issuer/enterprise.ts'
import { addJwtBearer } from './issuer/jwt-bearer.ts'
import { ASSERTION_ALGORITHMS, AUTH_METHODS } from './metadata.ts'
import { createOauthState } from './oauth-state.ts'
import { noteRefusal, type RefusalOptions } from './refusals.ts'
import { addIntrospection } from './token/introspection.ts'
import { addRevocation } from './token/revocation.ts'
import { addWaitingTerms, waitingFeatures } from './waiting/asking.ts'

export interface ProviderOptions
  extends ClientAuthenticationOptions,
    ActingOptions,
    ExchangeOptions,
    EnterpriseOptions,
    RefusalOptions {
  /** How many delegations a chain may have. */
  maxDepth: number
  /** Where people sign in and consent; undefined switches the authorization endpoint off. */
  people?: PeopleOptions | undefined
}

/** Our grants, and the endpoints that we answer ourselves: each adds itself. */
const REGISTRATIONS: readonly ((provider: Provider, options: ProviderOptions) => void)[] = [
  authenticateByOwnTables,
  addClientCredentials,
  addTokenExchange,
  addJwtBearer,
  addDelegations,
  addPeopleGrants,
  addRevocation,
  addIntrospection,
  addWaitingTerms,
  addRecord,
]

/** Sets up oidc-provider with our clients, our storage and what is registered above, and all else switched off. */
export function createProvider(options: ProviderOptions): Provider {
  const { store, issuer, now, people, addressOf } = options
  const off = { enabled: false }
  const provider = new Provider(issuer, {
    adapter: createOauthState(store, now),
    jwks: { keys: [unusedKey()] },
    clientAuthMethods: people ? [...AUTH_METHODS, 'none'] : AUTH_METHODS,
    clientDefaults: { id_token_signed_response_alg: 'ES256' },
    enabledJWA: { clientAuthSigningAlgValues: ASSERTION_ALGORITHMS },
    clockTolerance: CLOCK_SKEW_SECONDS,
    assertJwtClientAuthClaimsAndHeader: assertionHook(options),
    // No cookies and no ambient authority here: another origin can do nothing that it could not do without a browser.
    clientBasedCORS: () => true,
    renderError: (ctx: KoaContext, out: { error: string; error_description?: string }) =>
      renderError(people, ctx, out),
    responseTypes: people ? ['code'] : [],
    scopes: people ? [OFFLINE] : [],
    // RFC 9449 §10: by it a code is bound to a key; the grant holds to it.
    extraParams: ['dpop_jkt'],
    pkce: { required: () => true },
    allowOmittingSingleRegisteredRedirectUri: false,
    routes: {
      authorization: '/authorize',
      pushed_authorization_request: '/par',
      token: '/token',
      revocation: '/token/revocation',
      introspection: '/token/introspection',
      device_authorization: '/device_authorization',
      // Pages of ours answer there; oidc-provider only names it.
      code_verification: '/device',
      backchannel_authentication: '/bc-authorize',
      jwks: '/jwks',
    },
    ...(people && forPeople(people)),
    features: {
      clientCredentials: { enabled: true },
      revocation: { enabled: true },
      // What it would say of a token is never said: `addIntrospection` answers.
      introspection: { enabled: true, allowedPolicy: () => false },
      devInteractions: off,
      dPoP: off,
      pushedAuthorizationRequests: { enabled: people !== undefined, allowUnregisteredRedirectUris: false },
      requestObjects: off,
      richAuthorizationRequests: people ? richAuthorizationRequests({ store, ...people }) : off,
      resourceIndicators: people ? resourceIndicators(people) : off,
      rpInitiatedLogout: off,
      userinfo: off,
      ...(people && waitingFeatures({ store, now, addressOf, people })),
    },
  })
  for (const register of REGISTRATIONS) register(provider, options)
  return provider
}

/** Faults into the log, refusals into the record; and no answer is kept by anybody on the way. */
function addRecord(provider: Provider, options: ProviderOptions): void {
  const { log } = options
  provider.use(async (ctx, next) => {
    await next()
    ctx.set('cache-control', 'no-store')
  })
  provider.on('error', error => log.error({ err: error }, 'the authorization server failed'))
  provider.on('server_error', (_ctx, error) => log.error({ err: error }, 'the authorization server failed'))
  for (const event of [
    'grant',
    'authorization',
    'pushed_authorization_request',
    'revocation',
    'introspection',
    'device_authorization',
    'backchannel_authentication',
  ])
    provider.on(`${event}.error`, (ctx, error) => noteRefusal(options, ctx, error))
}

/** oidc-provider wants a key for ID tokens, of which it never signs one. */
function unusedKey(): object {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' })
}
