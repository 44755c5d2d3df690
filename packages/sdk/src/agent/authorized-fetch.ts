import { AppError } from '../core/index.ts'
import { type Challenge, readChallenges } from './challenge.ts'
import type { Prover } from './prover.ts'
import type { Source } from './source.ts'
import { Halted } from './standing.ts'
import type { Token, Wanted } from './token-request.ts'

/** What the calls to one server need. */
interface Calls {
  wanted: Wanted
  source: Source
  network: typeof globalThis.fetch
  prover(): Promise<Prover | undefined>
}

/** A request that can be sent again: its body is read once. */
interface Outgoing {
  url: string
  method: string
  headers: Headers
  body: ArrayBuffer | undefined
  signal: AbortSignal
}

/** How often the person may be asked for more within one call. */
const MOST_WIDENINGS = 2

/** A `fetch` that adds the token, and a proof of the key that it is bound to, to what goes to one server; nothing else goes. */
export function createAuthorizedFetch(calls: Calls): typeof globalThis.fetch {
  const home = new URL(calls.wanted.resource)
  const path = home.pathname.replace(/\/$/, '')
  return async (input, init) => {
    const request = new Request(input, init)
    const { origin, pathname } = new URL(request.url)
    if (origin !== home.origin || !(pathname === path || pathname.startsWith(`${path}/`)))
      throw new AppError(
        'request.invalid',
        `The token for ${calls.wanted.resource} is not for ${origin}${pathname}.`,
      )
    const { url, method, headers, signal } = request
    const body = request.body ? await request.arrayBuffer() : undefined
    return call(calls, { url, method, headers, body, signal })
  }
}

async function call(calls: Calls, outgoing: Outgoing): Promise<Response> {
  const { wanted, source } = calls
  const prover = await calls.prover()
  const isBound = prover !== undefined
  let [renewed, widened, asked] = [false, 0, false]
  for (;;) {
    const token = await source.get(wanted, isBound)
    const response = await send(calls, outgoing, token, prover)
    const hasNonce = prover?.hear(outgoing.url, response.headers) ?? false
    if (response.status !== 401 && response.status !== 403) return response
    const challenges = readChallenges(response.headers)
    if (response.status === 403) {
      const scope = challenges.find(({ error }) => error === 'insufficient_scope')?.scope
      if (scope === undefined || widened++ >= MOST_WIDENINGS) return response
      if (!(await source.widen(wanted, scope))) return response
    } else if (hasNonce && !asked && challenges.some(({ error }) => error === 'use_dpop_nonce')) asked = true
    else {
      source.drop(wanted, isBound, token)
      // The token may have been taken back; one more try with a fresh one says whether the agent still may.
      if (renewed) throw refused(calls, isBound, challenges)
      renewed = true
    }
    await response.body?.cancel()
  }
}

async function send(
  { source, network }: Calls,
  { url, method, headers, body, signal }: Outgoing,
  token: Token,
  prover: Prover | undefined,
): Promise<Response> {
  const sent = new Headers(headers)
  sent.set('authorization', `${prover ? 'DPoP' : 'Bearer'} ${token.value}`)
  if (prover) sent.set('dpop', await prover.prove({ method, url, token: token.value }))
  return network(url, {
    method,
    headers: sent,
    ...(body !== undefined && { body }),
    // A redirect would carry the token to where nobody looked.
    redirect: 'error',
    signal: AbortSignal.any([signal, source.standing.signal()]),
  })
}

/** A server that takes not even a fresh token is not asked again at once. */
function refused({ source, wanted }: Calls, isBound: boolean, challenges: Challenge[]): Halted {
  const said = challenges.find(({ description }) => description !== undefined)?.description
  const halted = new Halted(
    `${wanted.resource} does not take a token that was just made${said ? `: ${said}` : ''}`.replace(
      /\.?$/,
      '.',
    ),
  )
  source.refuse(wanted, isBound, halted)
  return halted
}
