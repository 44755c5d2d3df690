import type { CryptoKey, JWK } from 'jose'
import { AppError } from '../core/index.ts'
import type { Asking } from './ask.ts'
import { discoverAuthority } from './authority.ts'
import { type Bounds, type Handover, requestDelegation } from './delegate.ts'
import { openKey } from './key.ts'
import { createTokenCache, type TokenCache } from './token-cache.ts'
import { redeemHandle, requestToken, type Wanted } from './token-request.ts'

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

/** How calls get their tokens: as the agent itself, or by a delegation. */
export interface Tokens {
  /** A token for one MCP server. Throws `token.refused` where the authority says no: then the agent must stop. */
  token(wanted: Wanted): Promise<string>
  authProvider(resource: string, more?: Omit<Wanted, 'resource'>): AuthProvider
  /** A `fetch` for one MCP server: adds the token to what goes there, and refuses to go anywhere else. */
  fetch(resource: string): typeof globalThis.fetch
}

/** An agent with its identity: it gets tokens, keeps them while they live, and shows them to nobody else. */
export interface Agent extends Tokens {
  /**
   * Lets another agent act within bounds, never with more than this one may. What comes back is handed over to it.
   * @example await agent.delegate('billing-analyst', { only: ['invoices:read'], on: ['customer/acme'], for: '15m' })
   */
  delegate(to: string, bounds?: Bounds): Promise<Handover>
  /** Takes up what another agent handed over, with a first token for one server; from then on calls are made by it. */
  redeem(handover: Pick<Handover, 'handle'>, first: Pick<Wanted, 'resource' | 'scope'>): Promise<Delegated>
}

/** Acting for another agent, by one delegation. */
export interface Delegated extends Tokens {
  readonly delegation: string
}

/**
 * Gives an agent its identity.
 * @example
 * const agent = createAgent({ issuer: 'https://auth.example.com', clientId: 'agt_…', key })
 * const transport = new StreamableHTTPClientTransport(url, { authProvider: agent.authProvider(url.href) })
 */
export function createAgent(options: AgentOptions): Agent {
  const { issuer, clientId, fetch = globalThis.fetch, now = Date.now } = options
  const opened = once(async (): Promise<Pick<Asking, 'authority' | 'proof'>> => {
    const proof = 'secret' in options ? { secret: options.secret } : { signer: await openKey(options.key) }
    return { proof, authority: await discoverAuthority(issuer, fetch) }
  })
  const asking = async (): Promise<Asking> => ({ ...(await opened()), clientId, fetch, now: now() })
  const cache = createTokenCache(async key => requestToken(await asking(), JSON.parse(key) as Wanted), now)

  return {
    ...tokensOf(cache, fetch, {}),
    delegate: async (to, bounds = {}) => requestDelegation(await asking(), to, bounds),
    async redeem({ handle }, { resource, scope }) {
      const { token, delegation } = await redeemHandle(await asking(), handle, { resource, scope })
      cache.put(keyOf({ resource, scope, delegation }), token)
      return { delegation, ...tokensOf(cache, fetch, { delegation }) }
    },
  }
}

const keyOf = ({ resource, scope, grant, delegation }: Wanted) =>
  JSON.stringify({ resource, scope, grant, delegation })

function tokensOf(cache: TokenCache, fetch: typeof globalThis.fetch, by: Pick<Wanted, 'delegation'>): Tokens {
  const token = async (wanted: Wanted) => (await cache.get(keyOf({ ...wanted, ...by }))).value
  const drop = (wanted: Wanted) => cache.drop(keyOf({ ...wanted, ...by }))
  return {
    token,
    authProvider: (resource, more) => ({
      token: () => token({ ...more, resource }),
      onUnauthorized: async () => drop({ ...more, resource }),
    }),
    fetch: resource =>
      authorizedFetch(resource, fetch, { token: () => token({ resource }), drop: () => drop({ resource }) }),
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
