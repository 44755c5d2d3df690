import type { CryptoKey, JWK } from 'jose'
import { AppError } from '../core/index.ts'
import { type Authority, discoverAuthority } from './authority.ts'
import { openKey } from './key.ts'
import { createTokenCache } from './token-cache.ts'
import { type Proof, requestToken, type Wanted } from './token-request.ts'

export type AgentOptions = {
  /** The URL of the authority, as it calls itself. */
  issuer: string
  clientId: string
  fetch?: typeof globalThis.fetch
  now?: () => number
} & ({ key: JWK | CryptoKey } | { secret: string })

/** What the transports of the MCP SDK v2 take as `authProvider`. */
export interface AuthProvider {
  token(): Promise<string>
  onUnauthorized(): Promise<void>
}

/** An agent with its identity: it gets tokens, keeps them while they live, and shows them to nobody else. */
export interface Agent {
  /** A token for one MCP server. Throws `token.refused` where the authority says no: then the agent must stop. */
  token(wanted: Wanted): Promise<string>
  authProvider(resource: string, more?: Omit<Wanted, 'resource'>): AuthProvider
  /** A `fetch` for one MCP server: adds the token to what goes there, and refuses to go anywhere else. */
  fetch(resource: string): typeof globalThis.fetch
}

/**
 * Gives an agent its identity.
 * @example
 * const agent = createAgent({ issuer: 'https://auth.example.com', clientId: 'agt_…', key })
 * const transport = new StreamableHTTPClientTransport(url, { authProvider: agent.authProvider(url.href) })
 */
export function createAgent(options: AgentOptions): Agent {
  const { issuer, clientId, fetch = globalThis.fetch, now = Date.now } = options
  const opened = once(async (): Promise<{ authority: Authority; proof: Proof }> => {
    const proof = 'secret' in options ? { secret: options.secret } : { signer: await openKey(options.key) }
    return { proof, authority: await discoverAuthority(issuer, fetch) }
  })
  const cache = createTokenCache(async key => {
    const { authority, proof } = await opened()
    const wanted = JSON.parse(key) as Wanted
    return requestToken({ authority, clientId, proof, wanted, fetch, now: now() })
  }, now)
  const keyOf = ({ resource, scope, grant }: Wanted) => JSON.stringify({ resource, scope, grant })
  const token = async (wanted: Wanted) => (await cache.get(keyOf(wanted))).value

  return {
    token,
    authProvider: (resource, more) => ({
      token: () => token({ ...more, resource }),
      onUnauthorized: async () => cache.drop(keyOf({ ...more, resource })),
    }),
    fetch: resource =>
      authorizedFetch(resource, fetch, {
        token: () => token({ resource }),
        drop: () => cache.drop(keyOf({ resource })),
      }),
  }
}

function authorizedFetch(
  resource: string,
  fetch: typeof globalThis.fetch,
  tokens: { token(): Promise<string>; drop(): void },
): typeof globalThis.fetch {
  const home = new URL(resource)
  const path = home.pathname.replace(/\/$/, '')
  return async (input, init) => {
    const request = new Request(input, init)
    const { origin, pathname } = new URL(request.url)
    if (origin !== home.origin || !(pathname === path || pathname.startsWith(`${path}/`)))
      throw new AppError('request.invalid', `The token for ${resource} is not for ${origin}${pathname}.`)
    const send = async (what: Request) => {
      what.headers.set('authorization', `Bearer ${await tokens.token()}`)
      return fetch(what)
    }
    const spare = request.clone()
    const response = await send(request)
    if (response.status !== 401) {
      await spare.body?.cancel()
      return response
    }
    // The token may have been taken back; one more try with a fresh one says whether the agent still may.
    tokens.drop()
    await response.body?.cancel()
    return send(spare)
  }
}

/** Does the work at the first call and keeps its result; a failure is not kept. */
function once<T>(work: () => Promise<T>): () => Promise<T> {
  let running: Promise<T> | undefined
  return () => {
    running ??= work().catch((error: unknown) => {
      running = undefined
      throw error
    })
    return running
  }
}
