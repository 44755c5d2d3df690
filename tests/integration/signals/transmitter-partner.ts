import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { Provider } from 'oidc-provider'

export const SCOPES = 'ssf.read ssf.manage'
type Answer = { status?: number; headers?: Record<string, string>; body?: unknown }
type Client = Record<string, unknown> & { client_id: string }

export type TransmitterPartner = Awaited<ReturnType<typeof openTransmitterPartner>>

/** A transmitter of security events on loopback whose authorization server is somebody else's, and that says otherwise than it should where the test wants it. */
export async function openTransmitterPartner(clients: Client[]) {
  let script: Record<string, Answer | undefined> = {}
  const asked: { path: string; authorization: string | undefined; body: string }[] = []
  let tokens = 0
  const server = createServer((request, response) => void handle(request, response))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const resource = `${issuer}/ssf`
  const provider = new Provider(issuer, {
    clients: clients.map(client => ({
      ...{ grant_types: ['client_credentials'], redirect_uris: [], response_types: [], scope: SCOPES },
      ...client,
    })),
    scopes: SCOPES.split(' '),
    features: {
      ...{ devInteractions: { enabled: false }, clientCredentials: { enabled: true } },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: () => ({ scope: SCOPES, accessTokenFormat: 'opaque', accessTokenTTL: 600 }),
      },
    },
  })
  provider.silent = true
  const stream = {
    ...{ stream_id: 'one', iss: issuer, aud: 'https://us.test' },
    delivery: { method: 'urn:ietf:rfc:8936', endpoint_url: `${resource}/poll` },
  }
  const honest: Record<string, Answer> = {
    '/.well-known/ssf-configuration': {
      body: {
        ...{ spec_version: '1_0', issuer, jwks_uri: `${issuer}/set-keys` },
        configuration_endpoint: `${resource}/streams`,
        authorization_schemes: [{ spec_urn: 'urn:ietf:rfc:6749' }],
      },
    },
    '/.well-known/oauth-protected-resource/ssf': { body: { resource, authorization_servers: [issuer] } },
    '/set-keys': { body: { keys: [] } },
  }

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = new URL(request.url ?? '/', issuer).pathname
    if (path === '/token') tokens++
    const said = script[path] ?? honest[path] ?? (await ofStream(request, path))
    if (!said) return void provider.callback()(request, response)
    const { status = 200, headers, body } = said
    response.writeHead(status, { 'content-type': 'application/json', ...headers })
    response.end(body === undefined ? '' : JSON.stringify(body))
  }

  async function ofStream(request: IncomingMessage, path: string): Promise<Answer | undefined> {
    if (!path.startsWith('/ssf/')) return undefined
    const { authorization } = request.headers
    const token = await (provider as unknown as Tokens).ClientCredentials.find(authorization?.slice(7) ?? '')
    const body = await text(request)
    asked.push({ path: `${request.method} ${path}`, authorization, body })
    if (!token?.scope?.includes('ssf.read'))
      return {
        status: 401,
        headers: {
          'www-authenticate': `Bearer resource_metadata="${issuer}/.well-known/oauth-protected-resource/ssf"`,
        },
      }
    if (path === '/ssf/poll') return { body: { sets: {} } }
    return request.method === 'GET' ? { body: [] } : { status: 201, body: stream }
  }

  return {
    issuer,
    resource,
    stream,
    asked,
    /** How often a token was asked for. */
    tokens: () => tokens,
    /** Has it say this at these paths, and at all others what it should. */
    say(next: typeof script) {
      script = next
      asked.length = 0
      tokens = 0
    },
    honest,
    close: () =>
      new Promise<void>(resolve => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

interface Tokens {
  ClientCredentials: { find(token: string): Promise<{ scope?: string } | undefined> }
}
