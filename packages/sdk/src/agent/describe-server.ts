import * as z from 'zod'
import { AppError } from '../core/index.ts'
import { readChallenges } from './challenge.ts'

/** What an MCP server says of whom it takes tokens from. */
export interface ServerDescription {
  /** How it names itself: what tokens for it are asked for with. */
  resource: string
  /** The authorities whose tokens it takes. */
  issuers: readonly string[]
  /** What a first call needs, else all that there is; undefined where it names none. */
  scope: string | undefined
}

const Metadata = z.object({
  resource: z.url(),
  authorization_servers: z.array(z.url()).min(1),
  scopes_supported: z.array(z.string()).optional(),
})
const TIMEOUT_MS = 10_000
const KNOCK = {
  method: 'POST',
  headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
  body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list', params: {} }),
}

/**
 * Asks an MCP server, without a token, who its authority is and what a call needs (RFC 9728).
 * @example const { issuers, resource } = await describeServer('https://billing.example.com/mcp')
 */
export async function describeServer(
  url: string,
  fetch: typeof globalThis.fetch = globalThis.fetch,
): Promise<ServerDescription> {
  if (!URL.canParse(url)) throw new AppError('request.invalid', `"${url}" is not the URL of a server.`)
  const challenge = await knock(url, fetch)
  const metadata = await readMetadata(placesOf(url, challenge?.resourceMetadata), fetch)
  if (!metadata) throw new AppError('not_found', `${url} does not say whose tokens it takes (RFC 9728).`)
  // RFC 9728 §3.3: a document of somebody else would name an authority of theirs.
  if (!isWithin(url, metadata.resource))
    throw new AppError('config.invalid', `${url} calls itself ${metadata.resource}: it is not trusted.`)
  return {
    resource: metadata.resource,
    issuers: metadata.authorization_servers,
    scope: challenge?.scope ?? (metadata.scopes_supported?.join(' ') || undefined),
  }
}

async function knock(url: string, fetch: typeof globalThis.fetch) {
  const response = await send(url, KNOCK, fetch)
  await response.body?.cancel()
  return response.status === 401 ? readChallenges(response.headers)[0] : undefined
}

/**
 * Where the document may be: where the challenge says, else at the two places of RFC 9728 §3.1. It lies beside the server: one
 * elsewhere would be somebody else's, or an address that this program reaches and the server does not.
 */
function placesOf(url: string, named: string | undefined): string[] {
  const { origin, pathname } = new URL(url)
  if (named !== undefined && URL.parse(named)?.origin === origin) return [named]
  const root = `${origin}/.well-known/oauth-protected-resource`
  return [...new Set([root + pathname.replace(/\/$/, ''), root])]
}

async function readMetadata(places: readonly string[], fetch: typeof globalThis.fetch) {
  for (const place of places) {
    const response = await send(place, { headers: { accept: 'application/json' } }, fetch)
    const metadata = Metadata.safeParse(await response.json().catch(() => undefined))
    if (response.ok && metadata.success) return metadata.data
  }
  return undefined
}

async function send(url: string, init: RequestInit, fetch: typeof globalThis.fetch): Promise<Response> {
  try {
    return await fetch(url, { ...init, redirect: 'error', signal: AbortSignal.timeout(TIMEOUT_MS) })
  } catch (cause) {
    throw new AppError('upstream.unreachable', `${url} does not answer.`, { cause })
  }
}

function isWithin(url: string, resource: string): boolean {
  const [inner, outer] = [new URL(url), new URL(resource)]
  const path = outer.pathname.replace(/\/$/, '')
  return inner.origin === outer.origin && (inner.pathname === path || inner.pathname.startsWith(`${path}/`))
}
