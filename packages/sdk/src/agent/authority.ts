import * as z from 'zod'
import { AppError } from '../core/index.ts'

/** What an agent needs to know of its authority. */
export interface Authority {
  issuer: string
  tokenEndpoint: string
  /** Where agents let other agents act. */
  delegationEndpoint: string
}

const Metadata = z.object({
  issuer: z.string(),
  token_endpoint: z.url(),
  delegation_endpoint: z.url().optional(),
})
const TIMEOUT_MS = 10_000

/** Reads the authority's metadata (RFC 8414) and makes sure that it speaks for the issuer that was asked. */
export async function discoverAuthority(issuer: string, fetch: typeof globalThis.fetch): Promise<Authority> {
  const { origin, pathname } = new URL(issuer)
  const url = `${origin}/.well-known/oauth-authorization-server${pathname === '/' ? '' : pathname}`
  const response = await reach(fetch, url, { headers: { accept: 'application/json' } })
  const metadata = Metadata.safeParse(await response.json().catch(() => undefined))
  if (!response.ok || !metadata.success)
    throw new AppError('authority.unreachable', `${url} does not hold the metadata of an authority.`)
  // RFC 8414 §3.3: byte by byte, or a document of someone else would send the credential to them.
  if (metadata.data.issuer !== issuer)
    throw new AppError(
      'config.invalid',
      `The authority calls itself ${metadata.data.issuer}; configure the issuer so, not as ${issuer}.`,
    )
  const { token_endpoint: tokenEndpoint, delegation_endpoint } = metadata.data
  return { issuer, tokenEndpoint, delegationEndpoint: delegation_endpoint ?? `${issuer}/delegations` }
}

/** Asks the authority; it must answer itself, in time. */
export async function reach(
  fetch: typeof globalThis.fetch,
  url: string,
  init: RequestInit,
): Promise<Response> {
  try {
    return await fetch(url, { ...init, redirect: 'error', signal: AbortSignal.timeout(TIMEOUT_MS) })
  } catch (cause) {
    throw new AppError('authority.unreachable', `The authority does not answer at ${url}.`, { cause })
  }
}
