import { createServer } from 'node:http'
import type { Audit } from '../audit/index.ts'
import type { Store } from '../store/index.ts'
import { listen } from './listen.ts'
import type { AuthorityMetrics } from './metrics.ts'

/** Health and metrics on a port of their own, on loopback, so that they cannot leak through the public address. */
export async function startHealth(options: {
  port: number
  store: Store
  audit: Audit
  metrics: AuthorityMetrics
}) {
  const { store, audit, metrics } = options
  let isDraining = false

  async function check(): Promise<Record<string, string>> {
    const faults: Record<string, string> = {}
    if (isDraining) faults['shutdown'] = 'the node is stopping'
    await store.clock(store.db).catch(() => {
      faults['database'] = 'does not answer'
    })
    await audit.figures().catch(() => {
      faults['audit'] = 'cannot be read'
    })
    return faults
  }

  const routes: Record<string, () => Promise<{ status: number; type: string; body: string }>> = {
    '/livez': async () => ({ status: 200, type: 'text/plain', body: 'ok\n' }),
    '/readyz': async () => {
      const faults = await check()
      const status = Object.keys(faults).length === 0 ? 200 : 503
      return {
        status,
        type: 'application/json',
        body: `${JSON.stringify({ ready: status === 200, faults })}\n`,
      }
    },
    '/metrics': async () => ({
      status: 200,
      type: 'text/plain; version=0.0.4',
      body: await metrics.render(),
    }),
  }
  const server = createServer((request, response) => {
    const route = routes[(request.url ?? '').split('?', 1)[0] ?? '']
    if (!route) return void response.writeHead(404).end()
    route().then(
      ({ status, type, body }) => response.writeHead(status, { 'content-type': type }).end(body),
      () => response.writeHead(503).end(),
    )
  })
  const port = await listen(server, options.port, '127.0.0.1')
  return {
    url: `http://127.0.0.1:${port}`,
    drain: () => {
      isDraining = true
    },
    close: () =>
      new Promise<void>(resolve => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
