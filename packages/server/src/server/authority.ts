import { mkdirSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { join } from 'node:path'
import { getRequestListener } from '@hono/node-server'
import type { CallRecord } from '@valetkey/sdk/core'
import type { Logger } from 'pino'
import { openAudit } from '../audit/index.ts'
import { createFeed, type RecordSink } from '../feed/index.ts'
import { createAuthorizationServer } from '../oauth/index.ts'
import { openStore, type Store } from '../store/index.ts'
import { createApi } from './api.ts'
import type { Config } from './config.ts'
import { startHealth } from './health.ts'
import { listen } from './listen.ts'
import { createMetrics } from './metrics.ts'

/** Told of what enforcement points recorded, after it is stored; for a live view. */
export type RecordListener = (records: readonly CallRecord[]) => void

/** One node of the authority: identities, policy, tokens, feed and evidence on one port. */
export interface Authority {
  readonly url: string
  readonly adminUrl: string
  readonly store: Store
  /** The one-time code for the first sign-in; null where somebody has signed in before. */
  readonly bootstrapCode: string | null
  onRecords(listener: RecordListener): void
  /** Stops taking requests, lets those under way end, and leaves nothing unwritten. */
  close(): Promise<void>
}

export interface AuthorityOptions {
  log: Logger
  now?(): number
  isDev?: boolean
  /** How long requests under way may take to end at a stop. */
  drainMs?: number
}

/** Starts a node. Resolves once it answers; what cannot work fails here, with a sentence that says the fix. */
export async function startAuthority(config: Config, options: AuthorityOptions): Promise<Authority> {
  const { log, now = Date.now, isDev = false, drainMs = 15_000 } = options
  if (config.databaseUrl.startsWith('sqlite:'))
    mkdirSync(config.dataDirectory, { recursive: true, mode: 0o700 })
  const masterKey = Buffer.from(config.masterKey, 'base64')
  const store = await openStore({ url: config.databaseUrl, masterKey, now })
  const isMemory = config.databaseUrl === 'sqlite::memory:'
  const audit = await openAudit({
    store,
    path: isMemory ? ':memory:' : join(config.dataDirectory, 'audit.db'),
    now,
    onError: fault => log.error({ err: fault }, 'changes wait to be moved into the evidence'),
  })
  const oauth = await createAuthorizationServer({
    store,
    issuer: config.issuer,
    tokenAlgorithm: config.tokenAlgorithm,
    log,
    now,
  })
  const metrics = createMetrics(audit, store)
  const listeners = new Set<RecordListener>()
  const sink: RecordSink = {
    async ingest(point, epoch, records) {
      const stored = await audit.ingest(point, epoch, records)
      metrics.recorded(records)
      for (const listener of listeners) listener(records)
      return stored
    },
  }
  const feed = createFeed({
    store,
    audit: sink,
    issuer: config.issuer,
    now,
    onFault: fault => log.warn({ err: fault }, 'the feed met a fault'),
  })
  const api = await createApi({ store, audit, now, issuer: config.issuer, isDev, barrier: feed.barrier, log })
  // Without overriding the process's own Request and Response: other code in it compares against those.
  const web = getRequestListener(
    async (request, connection) => {
      const { pathname } = new URL(request.url)
      return (pathname.startsWith('/feed/') ? feed.app : api.app).fetch(request, connection)
    },
    { overrideGlobalObjects: false },
  )
  const prefix = new URL(config.issuer).pathname.replace(/\/$/, '')
  const server = createServer((request, response) => {
    const [path = '/'] = (request.url ?? '/').split('?', 1)
    if (oauth.serves(path)) return void oauth.handler(request, response)
    if (prefix !== '' && path.startsWith(`${prefix}/`)) request.url = request.url?.slice(prefix.length)
    return void web(request, response)
  })
  server.requestTimeout = 30_000
  server.headersTimeout = 10_000
  await listen(server, config.httpPort, config.httpHost)
  const health = await startHealth({ port: config.adminPort, store, audit, metrics })

  return {
    url: config.issuer,
    adminUrl: health.url,
    store,
    bootstrapCode: api.bootstrapCode,
    onRecords: listener => void listeners.add(listener),
    async close() {
      health.drain()
      feed.close()
      await drain(server, drainMs)
      await oauth.close()
      await audit.close()
      await store.close()
      await health.close()
    },
  }
}

/** Lets requests under way end, for at most so long. */
async function drain(server: Server, withinMs: number): Promise<void> {
  const closed = new Promise<void>(resolve => server.close(() => resolve()))
  server.closeIdleConnections()
  const cut = setTimeout(() => server.closeAllConnections(), withinMs)
  await closed
  clearTimeout(cut)
}
