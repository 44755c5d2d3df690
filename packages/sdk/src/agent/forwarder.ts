import { Refusal } from './ask.ts'
import { discoverAuthority } from './authority.ts'
import { createAuthorizedFetch } from './authorized-fetch.ts'
import { once } from './once.ts'
import { createProver } from './prover.ts'
import { type Ask, createSource, type Source } from './source.ts'
import { createStanding, Halted } from './standing.ts'
import { exchangeInbound, type Wanted } from './token-request.ts'

/** A token that somebody showed to an MCP server. It goes to the authority, to be exchanged, and nowhere else. */
export interface InboundToken {
  /** Its `jti`. */
  id: string
  value: string
  /** Milliseconds since 1970. */
  expiresAt: number
}

/** How an MCP server calls other ones for those who call it. */
export interface Forwarder {
  /**
   * A `fetch` for one other server, with a token that was exchanged for it and a proof of this process's key. Throws `Halted`
   * where the authority does not let it, or not any more.
   */
  fetch(inbound: InboundToken, next: Pick<Wanted, 'resource' | 'scope'>): typeof globalThis.fetch
}

/** So many ways to another server are kept; the oldest makes room. */
const MOST_KEPT = 10_000

export function createForwarder(options: {
  issuer: string
  serverKey: string
  fetch?: typeof globalThis.fetch
  now?: () => number
}): Forwarder {
  const { issuer, serverKey, fetch: network = globalThis.fetch, now = Date.now } = options
  const opened = once(async () => ({
    authority: await discoverAuthority(issuer, network),
    prover: await createProver(now),
  }))
  const ask: Ask = async () => {
    const { authority, prover } = await opened()
    return { authority, prover, clientId: '', proof: { serverKey }, fetch: network, now }
  }
  const standing = createStanding(now)
  /** By the token that was shown and the server that is called: what the one is refused does not stop the others. */
  const sources = new Map<string, { source: Source; until: number }>()

  function sourceOf({ id, value, expiresAt }: InboundToken, resource: string): Source {
    const key = `${id} ${resource}`
    const known = sources.get(key)
    if (known) return known.source
    const source = createSource({
      ...{ ask, standing: createStanding(now, standing), now },
      request: (asking, wanted) => exchangeInbound(asking, value, wanted).catch(stop),
    })
    for (const [old, { until }] of sources)
      if (until <= now() || sources.size >= MOST_KEPT) sources.delete(old)
      else break
    sources.set(key, { source, until: expiresAt })
    return source
  }

  return {
    fetch: (inbound, { resource, scope }) =>
      createAuthorizedFetch({
        ...{ wanted: { resource, scope }, source: sourceOf(inbound, resource), network },
        prover: async () => (await opened()).prover,
      }),
  }
}

/** A token that is not exchanged now will not be later. To ask for other scopes is another question. */
function stop(error: unknown): never {
  const isFinal = error instanceof Refusal && !['invalid_scope', 'invalid_client'].includes(error.error)
  throw isFinal ? new Halted(error.message, error) : error
}
