import type { ProviderRow } from '../../directory/index.ts'
import type { Ask } from '../sign-in/parts.ts'
import type { OidcKept } from './oidc.ts'
import type { FederationSite } from './site.ts'

const LIFE_MS = 10 * 60_000
const NAME = 'valetkey_federation'

/** A sign-in that has left for a provider, as the browser keeps it: sealed, so that nothing of it can be made up. */
export interface Pending {
  provider: string
  /** Where to go on, on our own pages. */
  next: string
  /** Milliseconds since 1970. */
  beganAt: number
  /** Whether the person must sign in anew there. */
  isFresh: boolean
  oidc?: OidcKept
  /** The id of our SAML request. */
  saml?: string
}

/** Several at a time, one a tab: each under what the answer names it by. */
function nameOf(key: string): string {
  return `${NAME}_${key.replace(/[^A-Za-z0-9]/g, '').slice(0, 24)}`
}

export function keepPending(site: FederationSite, key: string, pending: Pending): string {
  const sealed = site.store.secrets.seal(JSON.stringify(pending), `${NAME}:${key}`)
  return cookie(site, nameOf(key), { value: sealed, seconds: LIFE_MS / 1000 })
}

export function forgetPending(site: FederationSite, key: string): string {
  return cookie(site, nameOf(key), { value: '', seconds: 0 })
}

function cookie(
  { base, issuer }: FederationSite,
  name: string,
  { value, seconds }: { value: string; seconds: number },
): string {
  const secure = issuer.startsWith('https:') ? '; Secure' : ''
  return `${name}=${value}; Path=${base}/federation; Max-Age=${seconds}; HttpOnly; SameSite=Lax${secure}`
}

/** What this browser left for a provider with; undefined where another one did, or too long ago. */
export function recall(
  { store, now }: FederationSite,
  c: Ask,
  provider: ProviderRow,
  key: string,
): Pending | undefined {
  const wanted = `${nameOf(key)}=`
  const found = c.req
    .header('cookie')
    ?.split(/;\s*/)
    .find(one => one.startsWith(wanted))
  if (found === undefined) return undefined
  try {
    const text = store.secrets.open(found.slice(wanted.length), `${NAME}:${key}`)
    const pending = JSON.parse(text) as Pending
    return pending.provider === provider.id && pending.beganAt + LIFE_MS > now() ? pending : undefined
  } catch {
    return undefined
  }
}
