import type { CryptoKey, JWK } from 'jose'
import { AppError } from '../core/index.ts'
import type { Asking, Proof } from './ask.ts'
import { type Authority, discoverAuthority } from './authority.ts'
import { createAuthorizedFetch } from './authorized-fetch.ts'
import { type Bounds, type Handover, requestDelegation } from './delegate.ts'
import { openKey } from './key.ts'
import { type KeyStore, openKeyStore } from './key-store.ts'
import { once } from './once.ts'
import { openUserSource, type UserOptions } from './person/user-source.ts'
import { createProver, type Prover } from './prover.ts'
import {
  type AuthProvider,
  createAuthProvider,
  createOAuthProvider,
  type OAuthProvider,
} from './providers.ts'
import { createSource, type Source } from './source.ts'
import { createStanding } from './standing.ts'
import { redeemHandle, requestToken, type Wanted } from './token-request.ts'

export type AgentOptions = {
  /** The URL of the authority, as it calls itself. */
  issuer: string
  /** By which the agent is known there; not needed where a platform vouches for it. */
  clientId?: string
  /** Whether tokens are bound to a key of this process (DPoP); as the authority offers it, where it is left out. */
  dpop?: boolean
  fetch?: typeof globalThis.fetch
  now?: () => number
} & (
  | { clientId: string; key: JWK | CryptoKey }
  /** Sent in the header, where it is left out. */
  | { clientId: string; secret: string; secretIn?: 'header' | 'body' }
  /** A program that cannot keep a secret, and acts for people only. */
  | { clientId: string; isPublic: true }
  /** What the platform says of this workload: read anew each time, because it is changed under a running program. */
  | { workload: () => Promise<string> }
)

/** How calls get their tokens: as the agent itself, by a delegation, or for a person. */
export interface Tokens {
  /**
   * A `fetch` for one MCP server: adds the token, and a proof of the key that it is bound to, to what goes there, and
   * refuses to go anywhere else. The transports of both MCP SDKs take it, and so do the frameworks.
   */
  fetch(resource: string, more?: Omit<Wanted, 'resource'>): typeof globalThis.fetch
  /** For what takes no `fetch`, MCP SDK v2: a token for whoever bears it. */
  authProvider(resource: string, more?: Omit<Wanted, 'resource'>): AuthProvider
  /** The same for MCP SDK v1. */
  oauthProvider(resource: string, more?: Omit<Wanted, 'resource'>): OAuthProvider
  /**
   * A token for one MCP server, for whoever bears it. Throws `Halted` where the agent may not act any more, and
   * `token.refused` where it may not have this one.
   */
  token(wanted: Wanted): Promise<string>
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
  /**
   * Asks a person to let the agent act for them at one server, and resolves once they did.
   * @example await agent.forUser({ resource: url, by: { browser: url => console.log(`Open ${url}`) } })
   */
  forUser(options: UserOptions): Promise<Tokens>
}

/** Acting for another agent, by one delegation. */
export interface Delegated extends Tokens {
  readonly delegation: string
}

/** What is opened at the first use. */
interface Opened {
  authority: Authority
  proof: Proof
  prover: Prover | undefined
}

/**
 * Gives an agent its identity.
 * @example
 * const agent = createAgent({ issuer: 'https://auth.example.com', clientId: 'agt_…', key })
 * const transport = new StreamableHTTPClientTransport(url, { fetch: agent.fetch(url.href) })
 */
export function createAgent(options: AgentOptions): Agent {
  const { issuer, clientId = '', fetch = globalThis.fetch, now = Date.now } = options
  const opened = once(async (): Promise<Opened> => {
    const proof = await openProof(options)
    const authority = await discoverAuthority(issuer, fetch)
    if (options.dpop === true && !authority.hasProofs)
      throw new AppError('config.invalid', `${issuer} does not bind tokens to keys (DPoP, ES256).`)
    const isBound = options.dpop ?? authority.hasProofs
    return { proof, authority, prover: isBound ? await createProver(now) : undefined }
  })
  const ask = async (isBound: boolean): Promise<Asking> => {
    const { authority, proof, prover } = await opened()
    return { authority, proof, prover: isBound ? prover : undefined, clientId, fetch, now }
  }
  const standing = createStanding(now)
  const own = createSource({ ask, request: requestToken, standing, now })
  const means: Means = { ask, network: fetch, prover: async () => (await opened()).prover }

  return {
    ...tokensOf(own, means),
    delegate: async (to, bounds = {}) => requestDelegation(await ask(false), to, bounds),
    async redeem({ handle }, { resource, scope }) {
      const isBound = (await means.prover()) !== undefined
      const { token, delegation } = await redeemHandle(await ask(isBound), handle, { resource, scope })
      const source = createSource({
        ...{ ask, standing: createStanding(now, standing), now },
        request: (asking, wanted) => requestToken(asking, { ...wanted, delegation }),
      })
      source.put({ resource, scope }, isBound, token)
      return { delegation, ...tokensOf(source, means) }
    },
    async forUser(asked) {
      const isBound = (await means.prover()) !== undefined
      return tokensOf(await openUserSource(asked, { ask, above: standing, now, isBound }), means)
    },
  }
}

/**
 * Opens an agent that was enrolled on this machine.
 * @example const agent = await openAgent('support-bot')
 */
export async function openAgent(
  name: string,
  options: { store?: KeyStore } & Pick<AgentOptions, 'dpop' | 'fetch' | 'now'> = {},
): Promise<Agent> {
  const { store = await openKeyStore(), ...more } = options
  const identity = await store.load(name)
  if (!identity) throw new AppError('not_found', `No agent "${name}" was enrolled in ${store.place}.`)
  const { issuer, clientId, key } = identity
  if (clientId === null)
    throw new AppError(
      'config.invalid',
      `The key of "${name}" in ${store.place} may not be registered: enroll the agent again.`,
    )
  return createAgent({ issuer, clientId, key, ...more })
}

async function openProof(options: AgentOptions): Promise<Proof> {
  if ('secret' in options) return { secret: options.secret, secretIn: options.secretIn ?? 'header' }
  if ('isPublic' in options) return { isPublic: true }
  if ('key' in options) return { signer: await openKey(options.key) }
  return { workload: options.workload }
}

/** What calls need beside their tokens. */
interface Means {
  ask(isBound: boolean): Promise<Asking>
  network: typeof globalThis.fetch
  prover(): Promise<Prover | undefined>
}

function tokensOf(source: Source, { ask, network, prover }: Means): Tokens {
  const self = async () => {
    const { authority, clientId, proof, now } = await ask(false)
    const { issuer, tokenEndpoint } = authority
    return { clientId, issuer, proof, now: now(), tokenEndpoint }
  }
  return {
    fetch: (resource, more) =>
      createAuthorizedFetch({ wanted: { ...more, resource }, source, network, prover }),
    authProvider: (resource, more) => createAuthProvider(source, { ...more, resource }),
    oauthProvider: (resource, more) => createOAuthProvider(source, { ...more, resource }, self),
    token: async wanted => (await source.get(wanted, false)).value,
  }
}
