/** Stands in front of a server that wants a token, for clients that have none: adds it, changes nothing else. */
import { createServer, type IncomingMessage, request as openRequest, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Injector extends AsyncDisposable {
  /** The target's URL with the injector's own host and port. */
  url: string
  close(): Promise<void>
}

/**
 * Forwards every request to the host of `target` with the token that `getToken` gives at that moment.
 *
 * The next hop sees the Host and Origin that the client sent, so it alone decides about foreign ones; for
 * requests that were meant for the injector they name the injector's port.
 */
export async function startInjector(target: string, getToken: () => Promise<string>): Promise<Injector> {
  const { hostname, port, pathname } = new URL(target)

  async function forward(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const headers = withToken(request.rawHeaders, await getToken())
    const { method, url: path } = request
    // A connection for each request: a kept one may be closed by the other side just as it is used again.
    const outgoing = openRequest({ hostname, port, method, path, headers, agent: false })
    response.once('close', () => outgoing.destroy())
    outgoing.once('response', incoming => relay(incoming, response))
    outgoing.once('error', () => (response.headersSent ? response.destroy() : refuse(response)))
    request.pipe(outgoing)
  }

  const server = createServer((request, response) => {
    forward(request, response).catch(() => refuse(response))
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(0, '127.0.0.1', resolve)
  })
  const close = () =>
    new Promise<void>(resolve => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
  const { port: bound } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${bound}${pathname}`, close, [Symbol.asyncDispose]: close }
}

function relay(incoming: IncomingMessage, response: ServerResponse): void {
  response.writeHead(incoming.statusCode ?? 502, incoming.statusMessage, incoming.rawHeaders)
  response.flushHeaders()
  incoming.once('error', () => response.destroy())
  incoming.pipe(response)
}

function withToken(rawHeaders: string[], token: string): string[] {
  const kept = rawHeaders.filter(
    (_, index) => rawHeaders[index - (index % 2)]?.toLowerCase() !== 'authorization',
  )
  return [...kept, 'Authorization', `Bearer ${token}`]
}

function refuse(response: ServerResponse): void {
  response
    .writeHead(502, { 'content-type': 'text/plain' })
    .end('The server behind the injector did not answer.')
}
