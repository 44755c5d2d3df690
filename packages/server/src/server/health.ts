import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Audit } from '../audit/index.ts'
import type { Store } from '../store/index.ts'
import { listen } from './listen.ts'
import type { AuthorityMetrics } from './metrics.ts'
import type { Config } from './settings.ts'

export interface Health {
  readonly url: string
  /** A node is `starting` until told otherwise; only one that is `serving` can be ready. */
  become(state: 'serving' | 'stopping'): void
  close(): Promise<void>
}

interface Answer {
  status: number
  type: string
  body: string
}

/** A database that answers, but not in this time, serves nobody either. */
const PATIENCE_MS = 2_000
/** Tokens and leases compare clocks. */
const MOST_SKEW_MS = 2_000

/** Health and metrics on a port of their own, so that they cannot leak through the public address. */
export async function startHealth(options: {
  config: Pick<Config, 'adminHost' | 'adminPort'>
  store: Store
  audit: Audit
  metrics: AuthorityMetrics
  now(): number
}): Promise<Health> {
  const { config, metrics } = options
  let state: 'starting' | 'serving' | 'stopping' = 'starting'
  const routes: Record<string, () => Promise<Answer>> = {
    '/livez': async () => ({ status: 200, type: 'text/plain', body: 'ok\n' }),
    '/readyz': async () => {
      const faults = { ...(await findFaults(options)), ...(state !== 'serving' && { node: `is ${state}` }) }
      const ready = Object.keys(faults).length === 0
      const body = `${JSON.stringify({ ready, faults })}\n`
      return { status: ready ? 200 : 503, type: 'application/json', body }
    },
    '/metrics': async () => ({
      status: 200,
      type: 'text/plain; version=0.0.4',
      body: await metrics.render(),
    }),
  }
  const server = createServer((request, response) => respond(routes, request, response))
  const { adminHost: host } = config
  const port = await listen(server, { port: config.adminPort, host, setting: 'adminPort' })
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${port}`,
    become(next) {
      state = next
    },
    close: () =>
      new Promise<void>(resolve => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

/** What keeps this node from serving, by its part. */
async function findFaults(options: {
  store: Store
  audit: Audit
  now(): number
}): Promise<Record<string, string>> {
  const { store, audit, now } = options
  const faults: Record<string, string> = {}
  const clock = await inTime(store.clock(store.db))
  if (clock === undefined) faults['database'] = 'does not answer'
  else if (Math.abs(clock - now()) > MOST_SKEW_MS)
    faults['clock'] = `is ${clock - now()} ms away from the database's`
  if ((await inTime(audit.figures())) === undefined) faults['audit'] = 'cannot be read and written'
  return faults
}

async function inTime<T>(work: Promise<T>): Promise<T | undefined> {
  const late = new AbortController()
  const tooLate = sleep(PATIENCE_MS, undefined, { signal: late.signal }).catch(() => undefined)
  const value = await Promise.race([work.catch(() => undefined), tooLate])
  late.abort()
  return value
}

function respond(
  routes: Record<string, () => Promise<Answer>>,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const route = routes[(request.url ?? '').split('?', 1)[0] ?? '']
  if (!route) return void response.writeHead(404).end()
  route().then(
    ({ status, type, body }) => response.writeHead(status, { 'content-type': type }).end(body),
    () => response.writeHead(503).end(),
  )
}
