import type { OidcClient, Provider } from 'oidc-provider'
import { applicationTypeOf } from './redirect-uri.ts'

/** Where nobody proves anything: the browser of a person carries the request of a client. */
export const AT_THE_BROWSER = new Set(['authorization', 'resume'])

/** A client as the authorization endpoint needs it: where it may return to. */
export function findAtBrowser(
  provider: Provider,
  id: string,
  redirectUris: readonly string[] | undefined,
): OidcClient | undefined {
  if (!redirectUris || redirectUris.length === 0) return undefined
  return new provider.Client({
    client_id: id,
    application_type: applicationTypeOf(redirectUris),
    redirect_uris: redirectUris,
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: 'none',
  })
}
