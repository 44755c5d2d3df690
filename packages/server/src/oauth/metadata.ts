import { DETAIL_TYPES } from '@valetkey/sdk/core'
import { PROOF_ALGORITHMS } from '@valetkey/sdk/dpop'
import type { TokenAlgorithm } from './keys/signing-key.ts'
import { CIBA, DEVICE_CODE, ID_JAG_PROFILE, JWT_BEARER, TOKEN_EXCHANGE } from './token/token-types.ts'

/** Where the authorization server answers; all derive from the issuer, never from a Host header. */
export interface Endpoints {
  /** The issuer's own path; empty at the root. */
  base: string
  token: string
  revocation: string
  introspection: string
  delegations: string
  authorization: string
  push: string
  registration: string
  deviceAuthorization: string
  backchannel: string
  jwks: string
  /** Paths of the metadata documents, by kind. */
  oauthMetadata: readonly string[]
  openidMetadata: readonly string[]
}

/** What an assertion of a client may be signed with. */
export const ASSERTION_ALGORITHMS = ['ES256', 'EdDSA', 'Ed25519', 'ES384', 'PS256', 'RS256']
export const AUTH_METHODS = ['private_key_jwt', 'client_secret_basic', 'client_secret_post']

/** Whether people sign in here and authorize agents, and how clients of theirs come to be known. */
export interface ForPeople {
  dynamicRegistration: boolean
  deviceGrant: boolean
  ciba: boolean
  /** Undefined where no client is known by a document. */
  clientDocuments?: object | undefined
}

/** The paths of the endpoints. Metadata is found at every form that clients probe (RFC 8414 §3, OpenID discovery §4). */
export function endpointPaths(issuer: string): Endpoints {
  const base = new URL(issuer).pathname.replace(/\/$/, '')
  const oauth = '/.well-known/oauth-authorization-server'
  const openid = '/.well-known/openid-configuration'
  return {
    base,
    token: `${base}/token`,
    revocation: `${base}/token/revocation`,
    introspection: `${base}/token/introspection`,
    delegations: `${base}/delegations`,
    authorization: `${base}/authorize`,
    push: `${base}/par`,
    registration: `${base}/register`,
    deviceAuthorization: `${base}/device_authorization`,
    backchannel: `${base}/bc-authorize`,
    jwks: `${base}/jwks`,
    oauthMetadata: [oauth + base],
    openidMetadata: [...new Set([openid + base, base + openid])],
  }
}

/**
 * The metadata document: nothing that is not there, but where no people sign in `authorization_endpoint`, `code` and S256. Clients refuse a
 * document without them even where they use another grant (mcp-remote looks for `code` on its way to client credentials).
 */
export function oauthMetadata(issuer: string, people?: ForPeople): Record<string, unknown> {
  const methods = people ? [...AUTH_METHODS, 'none'] : AUTH_METHODS
  return {
    issuer,
    authorization_endpoint: `${issuer}/authorize`,
    token_endpoint: `${issuer}/token`,
    jwks_uri: `${issuer}/jwks`,
    revocation_endpoint: `${issuer}/token/revocation`,
    response_types_supported: ['code'],
    grant_types_supported: [
      ...(people ? ['authorization_code', 'refresh_token'] : []),
      ...['client_credentials', TOKEN_EXCHANGE, JWT_BEARER],
      ...(people?.deviceGrant ? [DEVICE_CODE] : []),
      ...(people?.ciba ? [CIBA] : []),
    ],
    authorization_grant_profiles_supported: [ID_JAG_PROFILE],
    delegation_endpoint: `${issuer}/delegations`,
    code_challenge_methods_supported: ['S256'],
    token_endpoint_auth_methods_supported: methods,
    token_endpoint_auth_signing_alg_values_supported: ASSERTION_ALGORITHMS,
    revocation_endpoint_auth_methods_supported: methods,
    revocation_endpoint_auth_signing_alg_values_supported: ASSERTION_ALGORITHMS,
    dpop_signing_alg_values_supported: PROOF_ALGORITHMS,
    introspection_endpoint: `${issuer}/token/introspection`,
    // RFC 8414 §2: how clients authenticate, and the kind of token by which MCP servers do.
    introspection_endpoint_auth_methods_supported: [...AUTH_METHODS, 'Bearer'],
    introspection_endpoint_auth_signing_alg_values_supported: ASSERTION_ALGORITHMS,
    ...(people && {
      response_modes_supported: ['query'],
      pushed_authorization_request_endpoint: `${issuer}/par`,
      require_pushed_authorization_requests: false,
      authorization_details_types_supported: DETAIL_TYPES,
      scopes_supported: ['offline_access'],
      authorization_response_iss_parameter_supported: true,
    }),
    ...(people?.clientDocuments && { client_id_metadata_document_supported: true }),
    ...(people?.deviceGrant && { device_authorization_endpoint: `${issuer}/device_authorization` }),
    ...(people?.ciba && {
      backchannel_authentication_endpoint: `${issuer}/bc-authorize`,
      backchannel_token_delivery_modes_supported: ['poll'],
      backchannel_user_code_parameter_supported: false,
    }),
    ...(people?.dynamicRegistration && { registration_endpoint: `${issuer}/register` }),
  }
}

/** The same in the form of OpenID discovery, with the two members that its readers require. */
export function openidMetadata(
  issuer: string,
  algorithm: TokenAlgorithm,
  people?: ForPeople,
): Record<string, unknown> {
  return {
    ...oauthMetadata(issuer, people),
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: [algorithm],
  }
}
