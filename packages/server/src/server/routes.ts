import type { IncomingMessage } from 'node:http'
import { api, type Route, toOpenApi } from '@valetkey/sdk/contract'
import { AppError, newId } from '@valetkey/sdk/core'
import { Hono, type Context as HttpContext } from 'hono'
import type { Audit } from '../audit/index.ts'
import { type Actor, type Context, may, quote } from '../directory/index.ts'
import type { Store } from '../store/index.ts'
import { createAttempts } from './attempts.ts'
import { authenticate } from './authenticate.ts'
import type { Handlers } from './handlers.ts'
import { createRunOnce } from './idempotency.ts'
import { parseInput } from './parse.ts'
import { toProblem } from './problem.ts'
import { noteRevisions, REVISION_HEADER } from './revision-header.ts'

export interface RoutesOptions {
  store: Store
  now(): number
  handlers: Handlers
  /** A file of a log, by its path below all logs (C2SP tlog-tiles). */
  tile: Audit['proof']['tile']
  /** Where a request comes from. */
  addressOf(request: IncomingMessage): string
  version: string
  /** Told of every failure that is a fault of ours, and of every 503: the request id is what the caller was given. */
  onFault(error: unknown, requestId: string): void
}

export type Env = {
  Variables: { actor: Actor; requestId: string }
  /** What @hono/node-server brings along; there is none where a request is handed over in memory. */
  Bindings: { incoming?: IncomingMessage }
}

const LOGS_PATH = '/api/log/'
const BOOTSTRAP_PATH = `/api${api.session.bootstrap.path}`

/**
 * The admin API over HTTP: who calls, may they, is the input what the contract says, run, answer. Nothing under `/api`
 * answers anyone unknown with anything but 401, not even whether a path exists.
 */
export function createRoutes(options: RoutesOptions): Hono<Env> {
  const { store, now, handlers, addressOf, version, onFault } = options
  const app = new Hono<Env>()
  const attempts = createAttempts(now)
  const runOnce = createRunOnce()
  const openApi = toOpenApi(api, { title: 'Valet Key', version })
  const from = (c: HttpContext<Env>) => {
    const incoming = incomingOf(c)
    return incoming ? addressOf(incoming) : 'unknown'
  }

  app.onError((error, c) => {
    const requestId = c.get('requestId') ?? newId('request')
    if (!(error instanceof AppError) || error.status >= 500) onFault(error, requestId)
    return toProblem(error, requestId)
  })
  app.use('/api/*', async (c, next) => {
    c.set('requestId', newId('request', now()))
    const claiming = c.req.path === BOOTSTRAP_PATH
    if (claiming) attempts.refuseIfMany(from(c))
    try {
      c.set('actor', await authenticate(store, c.req.raw.headers.get('authorization'), now()))
    } catch (error) {
      if (claiming) attempts.failed(from(c))
      throw error
    }
    await next()
    c.header('cache-control', 'no-store')
    c.header('x-request-id', c.get('requestId'))
  })
  app.get('/api/openapi.json', c => c.json(openApi))
  for (const { operation, route, run } of operationsOf(handlers))
    app.on(route.method, `/api${route.path}`, async c => {
      const actor = c.get('actor')
      refuseIfNotPermitted(actor, route)
      const input = await parseInput(route, c.req.raw, c.req.param())
      const noting = noteRevisions(store)
      const { reason } = input as { reason?: string }
      const ctx: Context = { store: noting.store, actor, now, ...(reason && { reason }) }
      const key = route.idempotent ? c.req.raw.headers.get('idempotency-key') : null
      const answer = await (key === null
        ? run(ctx, input)
        : runOnce(ctx, { key, operation, input }, ctx => run(ctx, input)))
      const revision = await noting.token(route, input, answer)
      if (revision !== null) c.header(REVISION_HEADER, revision)
      if (route.streams)
        return c.body(answer as ReadableStream<Uint8Array>, 200, { 'content-type': route.streams })
      // What leaves is what the contract says, and nothing more.
      return c.json(route.returns.parse(answer))
    })
  app.get(`${LOGS_PATH}*`, async c => {
    refuseIfNotPermitted(c.get('actor'), { permission: 'audit:read' })
    const file = await options.tile(c.req.path.slice(LOGS_PATH.length))
    if (!file) throw new AppError('not_found', 'There is no such file of a log.')
    return c.body(new Uint8Array(file.body), 200, { 'content-type': file.type })
  })
  app.all('/api/*', c => {
    throw new AppError('not_found', `There is no operation ${c.req.method} ${quote(c.req.path)}.`)
  })
  return app
}

interface Operation {
  operation: string
  route: Route
  run(ctx: Context, input: unknown): Promise<unknown>
}

/** The contract and its handlers side by side. Their types were matched in `Handlers`; here they are walked as data. */
function operationsOf(handlers: Handlers): Operation[] {
  const table = handlers as unknown as Record<string, Record<string, Operation['run']>>
  return Object.entries(api).flatMap(([group, routes]) =>
    Object.entries<Route>(routes).map(([name, route]) => {
      const run = table[group]?.[name]
      if (!run) throw new Error(`no handler for ${group}.${name}`)
      return { operation: `${group}.${name}`, route, run }
    }),
  )
}

function refuseIfNotPermitted(actor: Actor, route: Pick<Route, 'permission'>): void {
  if (route.permission === 'self:read' || may(actor.permissions, route.permission)) return
  throw new AppError(
    'permission.denied',
    `This operation needs ${route.permission}; "${actor.name}" carries ${actor.permissions.join(', ')}.`,
  )
}

function incomingOf(c: HttpContext<Env>): IncomingMessage | undefined {
  return (c.env as Env['Bindings'] | undefined)?.incoming
}
