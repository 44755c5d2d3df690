import type { IncomingMessage, ServerResponse } from 'node:http'
import { KEY_SET_SECONDS } from './keys/signing-key.ts'
import type { Log } from './log.ts'
import type { Endpoints } from './metadata.ts'

/** Gives the text of a JSON document. */
export type Document = () => Promise<string>

type Handler = (request: IncomingMessage, response: ServerResponse) => Promise<void>

interface Route {
  methods: readonly string[]
  answer: Handler
}

/** A token request is a few hundred bytes, with an assertion a few thousand. */
const MAX_BODY_BYTES = 32 * 1024
const PREFLIGHT_SECONDS = '3600'

/**
 * The door before oidc-provider: only the paths, methods and bodies that are meant get through, with the status that
 * HTTP has for each of the others.
 */
export function createRoutes(options: {
  paths: Endpoints
  protocol: Handler
  /** The token endpoint, and the same for MCP servers, which bring a key of their own. */
  token: Handler
  forward: Handler
  documents: { oauth: Document; openid: Document; jwks: Document }
  /** Where people authorize agents, and where clients register themselves; undefined is not there. */
  authorize?: Handler | undefined
  register?: Handler | undefined
  /** Where clients push what they are going to ask. */
  push?: Handler | undefined
  /** Where clients ask somebody who is not at their screen: by a code to type, or by the name of the person. */
  device?: Handler | undefined
  backchannel?: Handler | undefined
  /** Introspection for MCP servers, which bring a key of their own. */
  introspect: Handler
  /** Where agents let other agents act. */
  delegate: Handler
  log: Log
}): { serves(path: string): boolean; handler: Handler } {
  const { paths, protocol, documents, authorize, register, push, introspect, delegate, log } = options
  const { token, forward, device, backchannel } = options
  const routes = new Map<string, Route>()
  const serve = (path: string, document: Document, type?: string) =>
    routes.set(path, {
      methods: ['GET', 'HEAD'],
      answer: (_, response) => sendDocument(response, document, type),
    })
  for (const path of paths.oauthMetadata) serve(path, documents.oauth)
  for (const path of paths.openidMetadata) serve(path, documents.openid)
  serve(paths.jwks, documents.jwks, 'application/jwk-set+json')
  // oidc-provider knows its routes without the issuer's path.
  const inside =
    (path: string): Handler =>
    (request, response) => {
      request.url = path
      return protocol(request, response)
    }
  const post = (path: string, answer: Handler) =>
    routes.set(path, { methods: ['POST'], answer: asForm(answer) })
  post(paths.token, (request, response) => (isBearer(request) ? forward : token)(request, response))
  post(paths.revocation, inside('/token/revocation'))
  post(paths.delegations, delegate)
  const introspectAsClient = inside('/token/introspection')
  post(paths.introspection, (request, response) =>
    (isBearer(request) ? introspect : introspectAsClient)(request, response),
  )
  if (push) post(paths.push, push)
  if (device) post(paths.deviceAuthorization, device)
  if (backchannel) post(paths.backchannel, backchannel)
  if (register) routes.set(paths.registration, { methods: ['POST'], answer: register })
  const asked: Route | undefined = authorize && { methods: ['GET'], answer: authorize }
  const find = (path: string) =>
    routes.get(path) ??
    (path === paths.authorization || path.startsWith(`${paths.authorization}/`) ? asked : undefined)

  return {
    serves: path => find(path) !== undefined,
    async handler(request, response) {
      const route = find(pathOf(request))
      try {
        if (!route) refuse(response, 404, 'not_found')
        else if (request.method === 'OPTIONS') preflight(response, route)
        else if (!route.methods.includes(request.method ?? '')) notAllowed(response, route)
        else await route.answer(request, response)
      } catch (error) {
        log.error({ err: error }, 'the authorization server failed')
        if (response.headersSent) response.destroy()
        else refuse(response, 503, 'temporarily_unavailable')
      }
    },
  }
}

/** RFC 6749 §2.3.1 and §3.2: parameters go into the body, once, as a form. */
function asForm(answer: Handler): Handler {
  return async (request, response) => {
    const type = request.headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase()
    const length = request.headers['content-length']
    if (request.url?.includes('?'))
      return refuse(response, 400, 'invalid_request', 'parameters belong in the body, never in the URL')
    if (type !== 'application/x-www-form-urlencoded' || request.headers['content-encoding'] !== undefined)
      return refuse(
        response,
        415,
        'invalid_request',
        'send the parameters as application/x-www-form-urlencoded',
      )
    // A body without a length is cut off by oidc-provider's own limit.
    if (Number(length ?? 0) > MAX_BODY_BYTES) {
      response.setHeader('connection', 'close')
      return refuse(response, 413, 'invalid_request', 'the body is too large')
    }
    await answer(request, response)
  }
}

function isBearer({ headers }: IncomingMessage): boolean {
  return /^Bearer /i.test(headers.authorization ?? '')
}

async function sendDocument(
  response: ServerResponse,
  document: Document,
  type = 'application/json',
): Promise<void> {
  const body = await document()
  response.writeHead(200, {
    'content-type': type,
    'content-length': Buffer.byteLength(body),
    'cache-control': `public, max-age=${KEY_SET_SECONDS}`,
    'access-control-allow-origin': '*',
  })
  response.end(body)
}

function preflight(response: ServerResponse, { methods }: Route): void {
  response.writeHead(204, {
    'access-control-allow-origin': '*',
    'access-control-allow-methods': methods.join(', '),
    'access-control-allow-headers': 'authorization, content-type, dpop, mcp-protocol-version',
    'access-control-max-age': PREFLIGHT_SECONDS,
  })
  response.end()
}

function notAllowed(response: ServerResponse, { methods }: Route): void {
  response.setHeader('allow', [...methods, 'OPTIONS'].join(', '))
  refuse(response, 405, 'invalid_request', 'the method is not allowed here')
}

function refuse(response: ServerResponse, status: number, error: string, description?: string): void {
  const body = JSON.stringify({ error, ...(description ? { error_description: description } : {}) })
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    'access-control-allow-origin': '*',
  })
  response.end(body)
}

function pathOf(request: IncomingMessage): string {
  const url = request.url ?? ''
  const end = url.indexOf('?')
  return end === -1 ? url : url.slice(0, end)
}
