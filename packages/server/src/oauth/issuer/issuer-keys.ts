import type { JWK } from 'jose'
import { parsePublicKey } from '../../directory/index.ts'
import { parseJson } from '../client/document.ts'
import { createKept, type Made } from '../client/kept.ts'
import type { OutboundFetch } from '../client/outbound-fetch.ts'
import type { Issuer } from './issuers.ts'

/** Finds the public keys of an issuer; none where they cannot be had. `kid` is of a key that should be among them. */
export type IssuerKeys = (issuer: Issuer, kid: string | undefined) => Promise<readonly JWK[]>

/** How large a set of keys may be, with the certificates that some put beside each. */
export const MOST_KEY_BYTES = 64 * 1024
const COOL_DOWN_MS = 60_000
const MOST_ADDRESSES = 1_000
const DISCOVERY = '/.well-known/openid-configuration'
/** SPIFFE bundles mark keys for JWT-SVIDs in their own way. */
const USES: unknown[] = [undefined, 'sig', 'jwt-svid']

/**
 * Keeps what was fetched for as long as its server lets it be kept, within bounds. A key that is not among them has them
 * fetched once more; no address is asked twice within a minute, so that nobody can make us ask and ask.
 */
export function createIssuerKeys({ fetch, now }: { fetch: OutboundFetch; now(): number }): IssuerKeys {
  const sets = createKept<JWK[]>(now)
  const addresses = createKept<string>(now)
  const askedAt = new Map<string, number>()

  async function load<T>(
    url: string,
    read: (body: string) => Promise<T | undefined> | T | undefined,
  ): Promise<Made<T>> {
    if (now() - (askedAt.get(url) ?? Number.NEGATIVE_INFINITY) < COOL_DOWN_MS)
      return { ok: false, reason: 'asked_before' }
    if (askedAt.size >= MOST_ADDRESSES) askedAt.clear()
    askedAt.set(url, now())
    const fetched = await fetch(url)
    if (!fetched.ok) return { ok: false, reason: fetched.reason }
    const value = await read(fetched.body)
    const { maxAgeSeconds } = fetched
    return value === undefined ? { ok: false, reason: 'form' } : { ok: true, value, maxAgeSeconds }
  }
  async function keysAt(url: string, kid: string | undefined): Promise<readonly JWK[]> {
    const read = () => load(url, readKeySet)
    const found = await sets.get(url, read)
    const keys = found.ok ? found.value : []
    if (kid === undefined || keys.some(key => key.kid === kid)) return keys
    const again = await sets.renew(url, read)
    return again.ok ? again.value : keys
  }
  async function addressOf(issuer: string): Promise<string | undefined> {
    const url = issuer.replace(/\/$/, '') + DISCOVERY
    const found = await addresses.get(issuer, () => load(url, body => jwksUriOf(body, issuer)))
    return found.ok ? found.value : undefined
  }
  return async ({ issuer, jwks, jwksUri }, kid) => {
    if (jwks !== null) return (await readKeySet(jwks)) ?? []
    const url = jwksUri ?? (await addressOf(issuer))
    return url === undefined ? [] : keysAt(url, kid)
  }
}

/** Where an issuer says that its keys are; only its own metadata counts. */
function jwksUriOf(body: string, issuer: string): string | undefined {
  const said = parseJson(body) as { issuer?: unknown; jwks_uri?: unknown } | undefined
  return said?.issuer === issuer && typeof said.jwks_uri === 'string' ? said.jwks_uri : undefined
}

const PRIVATE = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k']

/** The keys of a set that can be used here; others are passed over. A set that gives a private key away is good for nothing. */
async function readKeySet(text: string): Promise<JWK[] | undefined> {
  const { keys: sent } = (parseJson(text) ?? {}) as { keys?: unknown }
  if (!Array.isArray(sent)) return undefined
  const keys: JWK[] = []
  for (const key of sent.slice(0, 50) as Record<string, unknown>[]) {
    if (typeof key !== 'object' || key === null) continue
    if (PRIVATE.some(member => member in key)) return undefined
    if (!USES.includes(key['use'])) continue
    const found = await parsePublicKey(key).catch(() => undefined)
    if (found) keys.push(found.jwk)
  }
  return keys
}
