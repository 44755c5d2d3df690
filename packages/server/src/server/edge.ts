import { createServer, type Server } from 'node:http'
import { getRequestListener } from '@hono/node-server'
import { inTrace } from '../audit/index.ts'
import type { Feed } from '../feed/index.ts'
import type { AuthorizationServer } from '../oauth/index.ts'
import type { Pdp } from '../pdp/index.ts'
import type { Pages, Scim } from '../people/index.ts'
import type { Signals } from '../signals/index.ts'
import type { AdminApiServer } from './api.ts'
import { listen } from './listen.ts'
import type { Config } from './settings.ts'

/** The port that the world reaches. */
export interface Edge {
  /** `HOST:PORT`, where it is heard. */
  readonly address: string
  /** Takes no new connections, and resolves when the requests under way have ended, or were cut. */
  close(): Promise<void>
}

/** Listens, and gives every request to whom it is for: the authorization server, the feed, the PDP, people's pages or the admin API. */
export async function openEdge(options: {
  config: Config
  oauth: AuthorizationServer
  api: AdminApiServer
  feed: Feed
  pdp: Pdp
  pages: Pages
  scim: Scim
  signals: Signals
  /** How long requests under way may take to end. */
  drainMs: number
}): Promise<Edge> {
  const { config, oauth, api, feed, pdp, pages, scim, signals, drainMs } = options
  // Without overriding the process's own Request and Response: other code in it compares against those.
  const web = getRequestListener(
    async (request, connection) => {
      const { pathname } = new URL(request.url)
      if (pages.serves(pathname)) return pages.app.fetch(request, connection)
      if (scim.serves(pathname)) return scim.app.fetch(request, connection)
      if (signals.serves(pathname)) return signals.app.fetch(request, connection)
      if (pdp.serves(pathname)) return pdp.app.fetch(request, connection)
      return (pathname.startsWith('/feed/') ? feed.app : api.app).fetch(request, connection)
    },
    { overrideGlobalObjects: false },
  )
  const prefix = new URL(config.issuer).pathname.replace(/\/$/, '')
  const server = createServer((request, response) => {
    const [path = '/'] = (request.url ?? '/').split('?', 1)
    void inTrace(request.headers['traceparent']?.toString(), () => {
      if (oauth.serves(path)) return oauth.handler(request, response)
      if (prefix !== '' && path.startsWith(`${prefix}/`)) request.url = request.url?.slice(prefix.length)
      return web(request, response)
    })
  })
  server.requestTimeout = 30_000
  server.headersTimeout = 10_000
  const port = await listen(server, { port: config.httpPort, host: config.httpHost, setting: 'httpPort' })
  return {
    address: `${config.httpHost}:${port}`,
    async close() {
      const drained = drain(server, drainMs)
      feed.close()
      // Polls that wait for events are answered.
      await signals.close()
      await drained
    },
  }
}

/** A connection is kept by its client for the next request: those that idle are closed again and again. */
async function drain(server: Server, withinMs: number): Promise<void> {
  const closed = new Promise<void>(resolve => server.close(() => resolve()))
  const idle = setInterval(() => server.closeIdleConnections(), 50)
  const cut = setTimeout(() => server.closeAllConnections(), withinMs)
  await closed
  clearInterval(idle)
  clearTimeout(cut)
}
