import {
  AppError,
  CATALOGUE,
  DefinitionsRequest,
  LeaseRequest,
  type LeaseResponse,
  RecordsRequest,
  type RecordsResponse,
  RegisterRequest,
  type RegisterResponse,
  type UpstreamCredentialResponse,
} from '@valetkey/sdk/core'
import { type Context, Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import type * as z from 'zod'
import { loadCatalogue, loadOrganization } from '../directory/index.ts'
import { hashSecret, type Store } from '../store/index.ts'
import { noteDefinitions } from './definitions.ts'
import { changeFor } from './frame.ts'
import { endLease, holdOrganization } from './hold.ts'
import { createRenewals, type LeaseTerms } from './lease.ts'
import { isOrganizationId, type Position, resumePosition } from './position.ts'
import { problem } from './problem.ts'
import { type RecordSink, requireOwnRecords } from './records.ts'
import { registerPoint } from './registration.ts'
import { bearerOf, fencedError, requireSession, type Session } from './session.ts'
import { sealUpstreamCredential } from './upstream.ts'

export interface RouteOptions {
  store: Store
  audit: RecordSink | undefined
  issuer: string
  now(): number
  terms: LeaseTerms
  subscribe(session: Session, position: Position): ReadableStream<Uint8Array>
  /** Called when a point was registered, and when one has acknowledged something. */
  onRegistered(point: string): void
  onAcknowledged(): void
  onFault(fault: unknown): void
}

type Env = { Variables: { session: Session } }

const MOST_ORGANIZATIONS = 5_000
const MOST_BYTES = 16 * 1024 * 1024
const MOST_SMALL_BYTES = 1024 * 1024

export function createRoutes(options: RouteOptions): Hono {
  const { store, now } = options
  const renew = createRenewals(store, options.terms, now)
  const app = new Hono<Env>()
  app.onError((fault, c) => problem(c, fault, options.onFault))
  app.post('/feed/register', limit(MOST_SMALL_BYTES), c => register(c, options))
  app.post('/feed/lease', limit(MOST_SMALL_BYTES), async c => {
    const authorization = c.req.header('authorization')
    try {
      const session = hashSecret(bearerOf(authorization))
      const request = await parseBody(c, LeaseRequest)
      requireOrganizationIds([...Object.keys(request.applied), ...request.dropped])
      const answer = await renew({ session, request })
      if (!answer) throw fencedError()
      options.onAcknowledged()
      return c.json(answer satisfies LeaseResponse)
    } catch (fault) {
      // A renewal finds out by itself whose it is. Who has no session is told that, whatever else is wrong.
      await requireSession(store.db, authorization)
      throw fault
    }
  })
  app.use('/feed/*', async (c, next) => {
    c.set('session', await requireSession(store.db, c.req.header('authorization')))
    await next()
  })
  app.get('/feed/snapshot', c => snapshot(c, options))
  app.get('/feed/changes', c => changes(c, options))
  app.post('/feed/leave', async c => {
    await endLease(store, c.var.session)
    options.onAcknowledged()
    return c.json({})
  })
  app.post('/feed/records', limit(MOST_BYTES), c => records(c, options))
  app.post('/feed/definitions', limit(MOST_BYTES), async c => {
    await noteDefinitions(store, c.var.session.server.id, await parseBody(c, DefinitionsRequest), now())
    return c.json({})
  })
  app.get('/feed/upstream-credential', async c => {
    const jwe = await sealUpstreamCredential(store, c.var.session)
    return c.json({ jwe } satisfies UpstreamCredentialResponseBody, 200, { 'cache-control': 'no-store' })
  })
  return app as unknown as Hono
}

type UpstreamCredentialResponseBody = z.infer<typeof UpstreamCredentialResponse>
type RecordsResponseBody = z.infer<typeof RecordsResponse>

async function register(c: Context<Env>, options: RouteOptions): Promise<Response> {
  const serverKey = bearerOf(c.req.header('authorization'))
  const request = await parseBody(c, RegisterRequest)
  const { issuer } = options
  const registered = await registerPoint(options.store, serverKey, request, { issuer, now: options.now() })
  options.onRegistered(registered.point)
  return c.json({ ...registered, issuer } satisfies RegisterResponse, 200, {
    'cache-control': 'no-store',
  })
}

async function snapshot(c: Context<Env>, options: RouteOptions): Promise<Response> {
  const organization = c.req.query('organization') ?? ''
  requireOrganizationIds([organization])
  const { store } = options
  await holdOrganization(store, c.var.session, organization)
  const facts =
    organization === CATALOGUE
      ? await loadCatalogue(store.db)
      : await loadOrganization(store.db, organization, options.now())
  return c.json(changeFor(c.var.session.server.id, facts), 200, { 'cache-control': 'no-store' })
}

async function changes(c: Context<Env>, options: RouteOptions): Promise<Response> {
  const position = resumePosition(c.req.query('from'), c.req.header('last-event-id'))
  const held = await options.store.db
    .selectFrom('enforcementPointOrganization')
    .where('pointId', '=', c.var.session.point)
    .select('organizationId')
    .execute()
  const ids = new Set(held.map(row => row.organizationId))
  for (const organization of position.keys())
    if (!ids.has(organization))
      throw new AppError('request.invalid', `Load the snapshot of ${organization} first.`, { path: 'from' })
  return c.body(options.subscribe(c.var.session, position), 200, {
    'content-type': 'text/event-stream',
    'cache-control': 'no-store, no-transform',
    'x-accel-buffering': 'no',
  })
}

/** Nothing else reaches a query that renewals of other points are part of. */
function requireOrganizationIds(ids: readonly string[]): void {
  if (ids.length > MOST_ORGANIZATIONS || !ids.every(isOrganizationId))
    throw new AppError('request.invalid', `Name up to ${MOST_ORGANIZATIONS} organizations, or "catalogue".`)
}

async function records(c: Context<Env>, options: RouteOptions): Promise<Response> {
  const { shipments } = await parseBody(c, RecordsRequest)
  const { session } = c.var
  const checked = requireOwnRecords(session, shipments)
  if (!options.audit) throw new AppError('audit.unavailable', 'This authority keeps no records of calls.')
  await options.audit.ingest(session.point, session.epoch, checked)
  const accepted = checked.reduce((sum, { records }) => sum + records.length, 0)
  return c.json({ accepted } satisfies RecordsResponseBody)
}

function limit(maxSize: number) {
  return bodyLimit({
    maxSize,
    onError: () => {
      throw new AppError('request.too_large', `The body may have at most ${maxSize} bytes.`)
    },
  })
}

async function parseBody<T extends z.ZodType>(c: Context<Env>, schema: T): Promise<z.output<T>> {
  const body: unknown = await c.req.json().catch(cause => {
    if (cause instanceof AppError) throw cause
    throw new AppError('request.invalid', 'The body is not JSON.', { cause })
  })
  const parsed = schema.safeParse(body)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  const path = issue?.path.join('.') ?? ''
  throw new AppError('request.invalid', `${path || 'The body'}: ${issue?.message ?? 'is not valid'}`, {
    path,
  })
}
