import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Target } from '../token/target.ts'

const MAX_URL = 16 * 1024

/** The cookie by which oidc-provider knows a browser again. Nobody is to be known by it: people have a session of their own. */
export const SESSION_COOKIE = 'valetkey_authorization'

/** By which a client may ask to come back without the person. */
export const OFFLINE = 'offline_access'

/** Stands in a request's `prompt` where the client itself asked for `consent`: everybody is asked by ours. */
export const REVIEW = 'review'

/**
 * The door before the authorization endpoint. A request that names no scope asks for what the server needs, everyone is asked
 * for consent, and nobody is signed in by a cookie of the protocol's: the pages ask whose browser this is, each time.
 */
export function createAuthorize(options: {
  /** The issuer's path, which oidc-provider does not know. */
  base: string
  isSecure: boolean
  protocol: (request: IncomingMessage, response: ServerResponse) => Promise<void>
  findTarget(resource: string): Promise<Target | undefined>
  /** Whether one more request may begin here: each is kept until somebody answers, or a while. */
  mayBegin(request: IncomingMessage): boolean
  /** What is shown where it may not. */
  tooMany(): Promise<Response>
}): (request: IncomingMessage, response: ServerResponse) => Promise<void> {
  const { base, isSecure, protocol, findTarget, mayBegin, tooMany } = options
  return async (request, response) => {
    const url = request.url ?? ''
    if (url.length > MAX_URL) {
      response.writeHead(414).end()
      return
    }
    const inner = url.slice(base.length)
    const isBegun = inner.startsWith('/authorize/')
    if (!isBegun && !mayBegin(request)) return send(response, await tooMany())
    // TLS ends before this process: cookies are marked by what the issuer says, not by a header from outside.
    request.headers['x-forwarded-proto'] = isSecure ? 'https' : 'http'
    request.headers.cookie = withoutSession(request.headers.cookie ?? '')
    request.url = isBegun ? inner : await complete(inner, findTarget)
    await protocol(request, response)
  }
}

async function send(response: ServerResponse, page: Response): Promise<void> {
  response.writeHead(429, { ...Object.fromEntries(page.headers), 'retry-after': '60' })
  response.end(await page.text())
}

async function complete(
  url: string,
  findTarget: (resource: string) => Promise<Target | undefined>,
): Promise<string> {
  const at = url.indexOf('?')
  const query = new URLSearchParams(at === -1 ? '' : url.slice(at + 1))
  // What was pushed before is complete, and counts alone.
  if (!query.has('request_uri')) await completeRequest(query, findTarget)
  return `/authorize?${query}`
}

/** Fills in what a request leaves to us, in place. */
export async function completeRequest(
  query: URLSearchParams,
  findTarget: (resource: string) => Promise<Target | undefined>,
): Promise<void> {
  const [scopes, resources, prompts] = [
    query.getAll('scope'),
    query.getAll('resource'),
    query.getAll('prompt'),
  ]
  if (scopes.length === 0 && resources.length === 1) {
    const target = await findTarget(resources[0] ?? '')
    if (target) query.set('scope', target.scopes.join(' '))
  }
  // Codes travel in the query alone: a page that posts them by script is one more place to get them from.
  if ((query.get('response_mode') ?? 'query') !== 'query') query.set('response_mode', 'unsupported')
  const prompt = (prompts[0] ?? '').split(' ').filter(Boolean)
  if (prompts.length < 2 && !prompt.includes('none')) {
    const more = prompt.includes('consent') ? REVIEW : 'consent'
    query.set('prompt', [...prompt.filter(word => word !== REVIEW), more].join(' '))
  }
}

function withoutSession(cookies: string): string {
  return cookies
    .split(/;\s*/)
    .filter(cookie => !cookie.startsWith(`${SESSION_COOKIE}=`) && !cookie.startsWith(`${SESSION_COOKIE}.`))
    .join('; ')
}
