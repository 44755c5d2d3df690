import { type ProviderRow, secretPlace } from '../../directory/index.ts'
import { keepPending, type Pending } from './pending.ts'
import type { SamlSelf } from './saml.ts'
import type { FederationSite } from './site.ts'

/** OIDC and SAML are loaded when somebody first comes to sign in there. */
export const loadOidc = () => import('./oidc.ts')
export const loadSaml = () => import('./saml.ts')

/** A provider with its secret open, and how it is reached. */
export function opened({ store, fetch }: Pick<FederationSite, 'store' | 'fetch'>, row: ProviderRow) {
  const secret =
    row.sealedSecret === null ? undefined : store.secrets.open(row.sealedSecret, secretPlace(row))
  return { row, secret, fetch }
}

/** How a SAML provider knows us. */
export function selfOf(site: FederationSite, row: ProviderRow): SamlSelf {
  const at = `${site.issuer}/federation/${row.id}`
  const { secret = '' } = opened(site, row)
  return { entityId: `${at}/metadata`, acs: `${at}/acs`, logout: `${at}/logout`, key: secret }
}

/** Where somebody is to sign in there, with the cookie by which this browser is known when it comes back. */
export async function begin(
  site: FederationSite,
  provider: ProviderRow,
  pending: Pending,
  email: string,
): Promise<{ url: string; cookie: string }> {
  const { isFresh } = pending
  if (provider.kind === 'oidc') {
    const redirectUri = `${site.issuer}/federation/${provider.id}/callback`
    const options = { redirectUri, isFresh, email, now: site.now() }
    const { url, kept } = await (await loadOidc()).beginOidc(opened(site, provider), options)
    return { url, cookie: keepPending(site, kept.state, { ...pending, oidc: kept }) }
  }
  const options = { isFresh, now: site.now() }
  const { url, id } = await (await loadSaml()).beginSaml(provider, selfOf(site, provider), options)
  return { url, cookie: keepPending(site, id, { ...pending, saml: id }) }
}

/** Where the session that began there is ended; undefined where the provider does not offer it. */
export async function logoutUrl(
  site: FederationSite,
  provider: ProviderRow,
  logout: string,
): Promise<string | undefined> {
  if (provider.kind === 'saml')
    return (await loadSaml()).samlLogoutUrl(provider, selfOf(site, provider), { logout, now: site.now() })
  const options = { idToken: logout, returnTo: `${site.issuer}/sign-in`, now: site.now() }
  return (await loadOidc()).oidcLogoutUrl(opened(site, provider), options)
}
