import type { IncomingMessage } from 'node:http'
import type { Hono } from 'hono'
import type { Logger } from 'pino'
import manifest from '../../package.json' with { type: 'json' }
import { type Audit, auditHandlers } from '../audit/index.ts'
import type { Baseline } from '../baseline/index.ts'
import { createBootstrapCode, type ResolveTxt, type WaitForPoints } from '../directory/index.ts'
import type { Mailer } from '../mail/index.ts'
import { createFetch, createReach, type LimitedFetch } from '../outbound/index.ts'
import { applyPolicy, whatIfPolicy } from '../policy/index.ts'
import type { Sinks } from '../sinks/index.ts'
import type { Store } from '../store/index.ts'
import { createAddressOf } from './client-address.ts'
import { createHandlers } from './handlers.ts'
import { createInstallation } from './installation.ts'
import { createResolveTxt } from './resolve-txt.ts'
import { createRoutes, type Env } from './routes.ts'

export interface ApiOptions {
  store: Store
  audit: Audit
  sinks: Pick<Sinks, 'handlers'>
  baseline: Pick<Baseline, 'handlers'>
  now(): number
  issuer: string
  isDev: boolean
  /** Waits for the enforcement points; the feed knows how. */
  barrier: WaitForPoints
  /** Asks DNS; the resolvers of the machine unless said otherwise. */
  resolveTxt?: ResolveTxt
  /** How transmitters of security events are reached: at public addresses unless said otherwise. */
  fetch?: LimitedFetch
  log: Logger
  mailer?: Mailer | undefined
  /** Where a request comes from; the other end of its connection unless said otherwise. */
  addressOf?(request: IncomingMessage): string
}

export interface AdminApiServer {
  app: Hono<Env>
  /** The one-time code for the first API token, new at every start until it is traded; null from then on. */
  bootstrapCode: string | null
}

/** Puts the admin API together: every operation of the contract with its handler, behind who calls and may they. */
export async function createApi(options: ApiOptions): Promise<AdminApiServer> {
  const { store, audit, sinks, baseline, now, issuer, isDev, barrier, log, mailer } = options
  const { addressOf = createAddressOf([]), resolveTxt = createResolveTxt([]) } = options
  const { fetch = createFetch(createReach({ privateHosts: [] })) } = options
  const handlers = createHandlers({
    evidence: auditHandlers(audit),
    sinks: sinks.handlers,
    alerts: baseline.handlers,
    policy: { apply: applyPolicy, whatIf: whatIfPolicy },
    waitForPoints: barrier,
    ...{ resolveTxt, fetch },
    issuer,
    mailer,
    dev: isDev,
    installation: createInstallation({ store, audit, now, mailer }),
  })
  const app = createRoutes({
    store,
    now,
    handlers,
    tile: audit.proof.tile,
    addressOf,
    version: manifest.version,
    onFault: (error, requestId) => log.error({ err: error, requestId }, 'a request failed'),
  })
  return { app, bootstrapCode: await createBootstrapCode(store, now()) }
}
