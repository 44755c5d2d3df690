import { randomBytes } from 'node:crypto'
import { DETAIL_TYPES } from '@valetkey/sdk/core'
import type { ClientKeys, OidcClient, Provider } from 'oidc-provider'
import { CIBA, DELEGATE, DEVICE_CODE, JWT_BEARER, TOKEN_EXCHANGE } from '../token/token-types.ts'
import { applicationTypeOf } from './redirect-uri.ts'
import type { Registration } from './registration.ts'

/** How a request means to prove who sends it. */
export type ProofKind = 'secret' | 'key' | 'none' | 'receiver'

const MOST_CLIENTS = 10_000
const FOR_PEOPLE = ['authorization_code', 'refresh_token', DEVICE_CODE, JWT_BEARER]
const FOR_AGENTS = ['client_credentials', TOKEN_EXCHANGE, DELEGATE, CIBA, ...FOR_PEOPLE]
/** A client that proves nothing acts for people only; so that a workload gets in, of which an issuer has said who it is, it may bring that. */
const GRANTS = {
  none: FOR_PEOPLE,
  secret: FOR_AGENTS,
  key: FOR_AGENTS,
  receiver: ['client_credentials'],
}

/**
 * Clients as oidc-provider takes them. They carry nothing that can go stale: keys and secrets come with every request. One that asks
 * for authorization has its registration with it, and is made for that request alone.
 */
export function createClients(
  provider: Provider,
  keys: ClientKeys,
): (id: string, kind: ProofKind, registration?: Registration) => OidcClient {
  const made = new Map<string, OidcClient>()
  // Never compared: `compareClientSecret` is ours. Unguessable all the same.
  const unusedSecret = randomBytes(32).toString('base64url')
  const secret = { token_endpoint_auth_method: 'client_secret_basic', client_secret: unusedSecret }
  const proof = {
    none: { token_endpoint_auth_method: 'none' },
    secret,
    receiver: secret,
    key: { token_endpoint_auth_method: 'private_key_jwt', jwks: { keys: [] } },
  }

  function make(id: string, kind: ProofKind, more: object): OidcClient {
    const details = { authorization_details_types: DETAIL_TYPES }
    const client = new provider.Client({ client_id: id, ...proof[kind], ...details, ...more })
    client.grantTypes = GRANTS[kind]
    client.backchannelTokenDeliveryMode = 'poll'
    if (kind === 'key') Object.assign(client.asymmetricKeyStore, keys)
    return client
  }

  return (id, kind, registration) => {
    if (registration) return make(id, kind, asking(registration))
    const known = made.get(`${kind} ${id}`)
    if (known) return known
    const grants = { grant_types: ['client_credentials'], redirect_uris: [], response_types: [] }
    const client = make(id, kind, grants)
    if (made.size >= MOST_CLIENTS) made.clear()
    made.set(`${kind} ${id}`, client)
    return client
  }
}

function asking({ redirectUris, mustPush }: Registration): object {
  return {
    application_type: applicationTypeOf(redirectUris),
    redirect_uris: redirectUris,
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    require_pushed_authorization_requests: mustPush,
  }
}
