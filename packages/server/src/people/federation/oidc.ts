import * as client from 'openid-client'
import { type OidcSettings, oidcSettings, type ProviderRow } from '../../directory/index.ts'
import type { LimitedFetch } from '../../outbound/index.ts'
import { FederationError, type Said, textOf, textsOf } from './said.ts'

/** What the browser keeps of a sign-in under way, sealed. */
export interface OidcKept {
  state: string
  nonce: string
  verifier: string
}

/** A provider with its secret open, and how it is reached. */
export interface OidcProvider {
  row: ProviderRow
  secret: string | undefined
  fetch: LimitedFetch
}

const KEPT_MS = 10 * 60_000
const MOST_KEPT = 100
const configurations = new Map<string, { until: number; configuration: Promise<client.Configuration> }>()

/** What a provider publishes of itself, asked once in ten minutes; anew where its settings have changed. */
function configurationOf({ row, secret, fetch }: OidcProvider, now: number): Promise<client.Configuration> {
  const key = JSON.stringify([row.id, row.settings, row.sealedSecret])
  const kept = configurations.get(key)
  if (kept && kept.until > now) return kept.configuration
  const configuration = discover(oidcSettings(row), secret, fetch)
  configurations.delete(key)
  const [oldest] = configurations.keys()
  if (configurations.size >= MOST_KEPT && oldest !== undefined) configurations.delete(oldest)
  configurations.set(key, { until: now + KEPT_MS, configuration })
  configuration.catch(() => configurations.delete(key))
  return configuration
}

async function discover(
  { issuer, clientId }: OidcSettings,
  secret: string | undefined,
  fetch: LimitedFetch,
): Promise<client.Configuration> {
  const isClear = issuer.startsWith('http:')
  const configuration = await client.discovery(
    new URL(issuer),
    clientId,
    { redirect_uris: [] },
    secret === undefined ? client.None() : bySecret(secret),
    {
      [client.customFetch]: (url, init) => fetch(url, init as RequestInit),
      execute: isClear ? [client.allowInsecureRequests] : [],
    },
  )
  // Signatures count, not only that the answer came over TLS.
  client.enableNonRepudiationChecks(configuration)
  return configuration
}

/** As the provider wants it; `client_secret_basic` where it does not say (OpenID Connect Discovery 1.0 section 3). */
function bySecret(secret: string): client.ClientAuth {
  const [basic, post] = [client.ClientSecretBasic(secret), client.ClientSecretPost(secret)]
  return (server, metadata, body, headers) => {
    const methods = server.token_endpoint_auth_methods_supported ?? ['client_secret_basic']
    const authenticate = methods.includes('client_secret_basic') ? basic : post
    return authenticate(server, metadata, body, headers)
  }
}

/** Where a browser goes to sign in: code flow, PKCE, nonce, and a state that only this browser can answer. */
export async function beginOidc(
  provider: OidcProvider,
  options: { redirectUri: string; isFresh: boolean; email: string; now: number },
): Promise<{ url: string; kept: OidcKept }> {
  const configuration = await configurationOf(provider, options.now)
  const kept = {
    state: client.randomState(),
    nonce: client.randomNonce(),
    verifier: client.randomPKCECodeVerifier(),
  }
  const url = client.buildAuthorizationUrl(configuration, {
    redirect_uri: options.redirectUri,
    scope: oidcSettings(provider.row).scopes.join(' '),
    ...{ state: kept.state, nonce: kept.nonce, code_challenge_method: 'S256' },
    code_challenge: await client.calculatePKCECodeChallenge(kept.verifier),
    ...(options.email !== '' && { login_hint: options.email }),
    ...(options.isFresh && { prompt: 'login', max_age: '0' }),
  })
  return { url: refuseStrange(url.href), kept }
}

/** Redeems the code that a browser came back with, and checks everything that the ID token says of itself. */
export async function finishOidc(
  provider: OidcProvider,
  options: { url: URL; kept: OidcKept; isFresh: boolean; beganAt: number; now: number },
): Promise<Said> {
  const settings = oidcSettings(provider.row)
  const configuration = await configurationOf(provider, options.now)
  const { kept, isFresh, beganAt, now } = options
  const tokens = await client.authorizationCodeGrant(configuration, options.url, {
    pkceCodeVerifier: kept.verifier,
    expectedState: kept.state,
    expectedNonce: kept.nonce,
    idTokenExpected: true,
    ...(isFresh && { maxAge: Math.ceil((now - beganAt) / 1000) }),
  })
  const claims = tokens.claims()
  if (!claims) throw new FederationError('id_token_missing')
  if (claims.azp !== undefined && claims.azp !== settings.clientId) throw new FederationError('azp_foreign')
  const userinfo = await readUserInfo(configuration, settings, tokens.access_token, claims)
  // An address and the word for it come from one place.
  const ofEmail = settings.emailClaim in claims ? claims : userinfo
  const said = { ...userinfo, ...claims }
  return {
    assertion: {
      subject: claims.sub,
      email: textOf(ofEmail[settings.emailClaim]),
      isEmailVerified: settings.takesUnverifiedEmail || isVerified(settings, ofEmail),
      name: textOf(said[settings.nameClaim]),
      groups: settings.groupsClaim === null ? [] : textsOf(said[settings.groupsClaim]),
    },
    secondFactor: textsOf(claims['amr']).includes('mfa'),
    authenticatedAt: claims.auth_time === undefined ? undefined : claims.auth_time * 1000,
    signOutName: claims.sub,
    sid: textOf(claims['sid']) ?? null,
    logout: tokens.id_token ?? '',
  }
}

/** What a provider says it has verified is `email` (OpenID Connect Core 1.0 section 5.1), and no other name of a person. */
function isVerified({ emailClaim }: OidcSettings, claims: Record<string, unknown>): boolean {
  return emailClaim === 'email' && [true, 'true'].includes(claims['email_verified'] as string)
}

/** Asked only where the ID token leaves out what is wanted; it must be of the same subject. */
async function readUserInfo(
  configuration: client.Configuration,
  { emailClaim, nameClaim, groupsClaim }: OidcSettings,
  accessToken: string,
  claims: client.IDToken,
): Promise<Record<string, unknown>> {
  const wanted = [emailClaim, nameClaim, ...(groupsClaim === null ? [] : [groupsClaim])]
  if (!configuration.serverMetadata().userinfo_endpoint || wanted.every(claim => claim in claims)) return {}
  return { ...(await client.fetchUserInfo(configuration, accessToken, claims.sub)) }
}

/** Where a browser goes to sign out at the provider as well; undefined where it offers that not. */
export async function oidcLogoutUrl(
  provider: OidcProvider,
  options: { idToken: string; returnTo: string; now: number },
): Promise<string | undefined> {
  const configuration = await configurationOf(provider, options.now)
  if (!configuration.serverMetadata().end_session_endpoint) return undefined
  const url = client.buildEndSessionUrl(configuration, {
    id_token_hint: options.idToken,
    post_logout_redirect_uri: options.returnTo,
  })
  return refuseStrange(url.href)
}

/** Where the provider publishes its keys, and what it is called there. */
export async function oidcKeysOf(
  provider: OidcProvider,
  now: number,
): Promise<{ issuer: string; jwksUri: string; algorithms: string[] | undefined }> {
  const configuration = await configurationOf(provider, now)
  const {
    issuer,
    jwks_uri: jwksUri,
    id_token_signing_alg_values_supported: algorithms,
  } = configuration.serverMetadata()
  if (!jwksUri) throw new FederationError('provider_without_keys')
  return { issuer, jwksUri, algorithms }
}

/** A provider names its own endpoints; a browser is sent to none that is no web address. */
function refuseStrange(url: string): string {
  if (/^https?:$/.test(new URL(url).protocol)) return url
  throw new FederationError('provider_address_strange')
}
