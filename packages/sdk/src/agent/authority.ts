import * as z from 'zod'
import { AppError } from '../core/index.ts'

/** What an agent needs to know of its authority. Endpoints that it does not have are undefined. */
export interface Authority {
  issuer: string
  tokenEndpoint: string
  /** Where agents let other agents act. */
  delegationEndpoint: string
  authorizationEndpoint: string | undefined
  pushEndpoint: string | undefined
  deviceEndpoint: string | undefined
  backchannelEndpoint: string | undefined
  registrationEndpoint: string | undefined
  /** How programs may prove themselves; none, where it does not say. */
  authMethods: readonly string[]
  /** Whether it binds tokens to keys of the kind that this agent makes. */
  hasProofs: boolean
  /** Whether a code comes back with the name of who gave it (RFC 9207). */
  namesItself: boolean
  hasPkce: boolean
  scopes: readonly string[]
}

const Metadata = z.object({
  issuer: z.string(),
  token_endpoint: z.url(),
  delegation_endpoint: z.url().optional(),
  authorization_endpoint: z.url().optional(),
  pushed_authorization_request_endpoint: z.url().optional(),
  device_authorization_endpoint: z.url().optional(),
  backchannel_authentication_endpoint: z.url().optional(),
  registration_endpoint: z.url().optional(),
  token_endpoint_auth_methods_supported: z.array(z.string()).default([]),
  dpop_signing_alg_values_supported: z.array(z.string()).default([]),
  authorization_response_iss_parameter_supported: z.boolean().default(false),
  code_challenge_methods_supported: z.array(z.string()).default([]),
  scopes_supported: z.array(z.string()).default([]),
})
const TIMEOUT_MS = 10_000

/** Reads the authority's metadata (RFC 8414, else OpenID discovery) and makes sure that it speaks for the issuer asked. */
export async function discoverAuthority(issuer: string, fetch: typeof globalThis.fetch): Promise<Authority> {
  for (const url of placesOf(issuer)) {
    const response = await reach(fetch, url, { headers: { accept: 'application/json' } })
    if (response.status >= 400 && response.status < 500) {
      await response.body?.cancel()
      continue
    }
    const metadata = Metadata.safeParse(await response.json().catch(() => undefined))
    if (!response.ok || !metadata.success) throw noAuthority(url)
    return toAuthority(issuer, metadata.data)
  }
  throw noAuthority(placesOf(issuer)[0])
}

/** Where the document may be: RFC 8414 §3.1, and for OpenID providers before and after the path. */
function placesOf(issuer: string): string[] {
  const { origin, pathname, protocol } = URL.parse(issuer) ?? {}
  if (origin === undefined || pathname === undefined || (protocol !== 'https:' && protocol !== 'http:'))
    throw new AppError('config.invalid', `The issuer "${issuer}" is not a URL.`)
  const path = pathname.replace(/\/$/, '')
  const [oauth, openid] = ['/.well-known/oauth-authorization-server', '/.well-known/openid-configuration']
  return [...new Set([origin + oauth + path, origin + openid + path, origin + path + openid])]
}

function noAuthority(url: string | undefined): AppError {
  return new AppError('authority.unreachable', `${url} does not hold the metadata of an authority.`)
}

function toAuthority(issuer: string, metadata: z.infer<typeof Metadata>): Authority {
  // RFC 8414 §3.3: byte by byte, or a document of someone else would send the credential to them.
  if (metadata.issuer !== issuer)
    throw new AppError(
      'config.invalid',
      `The authority calls itself ${metadata.issuer}; configure the issuer so, not as ${issuer}.`,
    )
  // A credential does not go in clear text where the issuer is not reached so, nor a browser to what is no page.
  const { protocol } = new URL(issuer)
  for (const [name, value] of Object.entries(metadata))
    if (name.endsWith('_endpoint') && !['https:', protocol].includes(new URL(String(value)).protocol))
      throw new AppError(
        'config.invalid',
        `The authority names no https address as its ${name}: it is not used.`,
      )
  return {
    issuer,
    tokenEndpoint: metadata.token_endpoint,
    delegationEndpoint: metadata.delegation_endpoint ?? `${issuer}/delegations`,
    authorizationEndpoint: metadata.authorization_endpoint,
    pushEndpoint: metadata.pushed_authorization_request_endpoint,
    deviceEndpoint: metadata.device_authorization_endpoint,
    backchannelEndpoint: metadata.backchannel_authentication_endpoint,
    registrationEndpoint: metadata.registration_endpoint,
    authMethods: metadata.token_endpoint_auth_methods_supported,
    hasProofs: metadata.dpop_signing_alg_values_supported.includes('ES256'),
    namesItself: metadata.authorization_response_iss_parameter_supported,
    hasPkce: metadata.code_challenge_methods_supported.includes('S256'),
    scopes: metadata.scopes_supported,
  }
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
