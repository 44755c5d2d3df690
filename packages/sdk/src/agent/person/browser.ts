import { base64url } from 'jose'
import * as z from 'zod'
import { AppError } from '../../core/index.ts'
import { type Asking, ask, Refusal } from '../ask.ts'
import { type Issued, requestBy } from '../token-request.ts'
import { openLoopback } from './loopback.ts'

/** Signs in and answers in a browser on this machine. */
export interface ByBrowser {
  /** Opens the address, or shows it to the person. */
  browser(url: string): unknown
  /** How long the person has; five minutes, where it is left out. */
  timeoutSeconds?: number
}

/** What the person is asked for. */
export interface Asked {
  resource: string
  scope: string | undefined
  signal: AbortSignal
}

const Pushed = z.object({ request_uri: z.string() })

/** Authorization code with PKCE and a callback on loopback (RFC 6749 §4.1, RFC 7636, RFC 8252, RFC 9207). */
export async function askInBrowser(
  asking: Asking,
  { browser, timeoutSeconds = 300 }: ByBrowser,
  { resource, scope, signal }: Asked,
): Promise<Issued> {
  const { authority, clientId } = asking
  const endpoint = authority.authorizationEndpoint
  // Without its word for it nothing says that the code is bound to who began (OAuth 2.1 §7.5.2).
  if (endpoint === undefined || !authority.hasPkce)
    throw new AppError('config.invalid', `${authority.issuer} does not let people authorize agents by PKCE.`)
  await using loopback = await openLoopback()
  const [state, verifier] = [random(), random()]
  const request = {
    ...{ response_type: 'code', client_id: clientId, redirect_uri: loopback.redirectUri, scope, resource },
    ...{ state, code_challenge: await challengeOf(verifier), code_challenge_method: 'S256' },
    dpop_jkt: asking.prover?.jkt,
  }
  const url = await authorizationUrl(asking, endpoint, request)
  const answered = loopback.answer(state, { timeoutMs: timeoutSeconds * 1000, signal })
  // A browser that does not open ends it at once.
  const [answer] = await Promise.all([answered, browser(url)])
  return requestBy(asking, {
    ...{ grant_type: 'authorization_code', code: codeOf(answer, asking), code_verifier: verifier },
    ...{ redirect_uri: loopback.redirectUri, resource },
  })
}

/** Pushed where that is possible (RFC 9126): then nobody on the way can change it, and it is not in any history. */
async function authorizationUrl(
  asking: Asking,
  endpoint: string,
  request: Record<string, string | undefined>,
): Promise<string> {
  const { pushEndpoint } = asking.authority
  const url = new URL(endpoint)
  const pushed =
    pushEndpoint && (await ask(asking, pushEndpoint, request, Pushed, 'the request to the person'))
  const query = pushed
    ? { client_id: request['client_id'], request_uri: pushed.request_uri }
    : (request as Record<string, string | undefined>)
  for (const [name, value] of Object.entries(query))
    if (value !== undefined) url.searchParams.set(name, value)
  return url.href
}

/** RFC 9207 §2.4: compared as it stands. What another server says is not even shown. */
function codeOf(answer: URLSearchParams, { authority }: Asking): string {
  const iss = answer.get('iss')
  if (iss === null ? authority.namesItself : iss !== authority.issuer)
    throw new AppError('token.refused', 'The answer did not come from the authority that was asked.')
  const error = answer.get('error')
  if (error !== null) {
    const sentence = answer.get('error_description')
    throw new Refusal(
      error,
      `The person was not asked or said no: ${error}${sentence ? ` (${sentence})` : ''}.`,
    )
  }
  const code = answer.get('code')
  if (!code) throw new AppError('token.refused', 'The answer holds no code.')
  return code
}

function random(): string {
  return base64url.encode(crypto.getRandomValues(new Uint8Array(32)))
}

async function challengeOf(verifier: string): Promise<string> {
  const bytes = new TextEncoder().encode(verifier)
  return base64url.encode(new Uint8Array(await crypto.subtle.digest('SHA-256', bytes)))
}
