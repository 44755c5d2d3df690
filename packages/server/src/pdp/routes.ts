import { AppError, newId } from '@valetkey/sdk/core'
import { Hono, type Context as HttpContext } from 'hono'
import { type Actor, type Context, getOrganization, may } from '../directory/index.ts'
import type { Store } from '../store/index.ts'
import { answerMany, answerOne } from './batch.ts'
import { metadata, metadataPath } from './metadata.ts'
import { ActionSearch, Batch, Evaluation, ResourceSearch, read, SubjectSearch } from './request.ts'
import { searchActions, searchResources, searchSubjects } from './search.ts'

export interface PdpOptions {
  store: Store
  now(): number
  issuer: string
  /** Says who a bearer token is, or throws. */
  authenticate(header: string | null): Promise<Actor>
  /** Reads a JSON body within limits, or throws. */
  readBody(request: Request): Promise<unknown>
  /** Told of every failure that is a fault of ours. */
  onFault(error: unknown, requestId: string): void
}

export interface Pdp {
  app: Hono<Env>
  /** Whether a path is the PDP's. */
  serves(path: string): boolean
}

type Env = { Variables: { requestId: string } }
type Operation = (ctx: Context, organization: string, body: unknown) => Promise<object>

const NEEDS = 'decision:read'
const SLUG = /^[a-z][a-z0-9._-]{0,63}$/

const OPERATIONS: Record<string, Operation> = {
  '/access/v1/evaluation': (ctx, organization, body) => answerOne(ctx, organization, read(Evaluation, body)),
  '/access/v1/evaluations'(ctx, organization, body) {
    const batch = read(Batch, body)
    // Without questions of its own a batch is one question (AuthZEN 1.0 §6.1).
    if (!batch.evaluations?.length) return answerOne(ctx, organization, read(Evaluation, body))
    return answerMany(ctx, organization, batch)
  },
  '/access/v1/search/subject': (ctx, organization, body) =>
    searchSubjects(ctx, organization, read(SubjectSearch, body)),
  '/access/v1/search/resource': (ctx, organization, body) =>
    searchResources(ctx, organization, read(ResourceSearch, body)),
  '/access/v1/search/action': (ctx, organization, body) =>
    searchActions(ctx, organization, read(ActionSearch, body)),
}

/**
 * The policy decision point of every organization, under `/pdp/{slug}`; where there is only one, under no path as well.
 * A denial is an answer (200). What is no answer is a status and a sentence: 400 for what cannot be read, 401, 403.
 */
export function createPdp(options: PdpOptions): Pdp {
  const { store, now, issuer, authenticate, readBody } = options
  const app = new Hono<Env>()
  app.onError((error, c) => fail(error, c, options))
  app.use(async (c, next) => {
    c.set('requestId', c.req.header('x-request-id') ?? newId('request', now()))
    await next()
    c.header('x-request-id', c.get('requestId'))
  })
  for (const [path, operation] of Object.entries(OPERATIONS))
    for (const base of ['', '/pdp/:slug'])
      app.post(base + path, async c => {
        const actor = await authenticate(c.req.raw.headers.get('authorization'))
        if (!may(actor.permissions, NEEDS))
          throw new AppError('permission.denied', `This needs an API token with ${NEEDS}.`)
        const organization = await organizationOf(store, c.req.param('slug'))
        const body = await readBody(c.req.raw)
        c.header('cache-control', 'no-store')
        return c.json(await operation({ store, actor, now }, organization, body))
      })
  const wellKnown = metadataPath(issuer)
  app.get(wellKnown, async c => {
    await organizationOf(store, undefined)
    return describePdp(c, issuer, undefined)
  })
  app.get(`${wellKnown}/pdp/:slug`, c => describePdp(c, issuer, c.req.param('slug')))
  app.notFound(c => c.text('There is nothing here.', 404))
  return {
    app,
    serves: path => path.startsWith('/access/v1/') || path.startsWith('/pdp/') || path.startsWith(wellKnown),
  }
}

/** The same for every name that an organization could have: it says nothing of which there are. */
function describePdp(c: HttpContext<Env>, issuer: string, slug: string | undefined): Response {
  if (slug !== undefined && !SLUG.test(slug)) return c.text('An organization goes by its slug.', 404)
  c.header('cache-control', 'public, max-age=300')
  return c.json(metadata(issuer, slug))
}

async function organizationOf(store: Store, slug: string | undefined): Promise<string> {
  try {
    return (await getOrganization(store.db, slug)).id
  } catch (cause) {
    if (!(cause instanceof AppError) || cause.status >= 500) throw cause
    const message = slug === undefined ? 'Name the organization in the path: /pdp/SLUG.' : cause.message
    throw new AppError('not_found', message, { cause })
  }
}

/** AuthZEN has one status for all that cannot be read, and a sentence for a body. */
function fail(error: unknown, c: HttpContext<Env>, { onFault }: PdpOptions): Response {
  const requestId = c.get('requestId')
  const failure = error instanceof AppError ? error : new AppError('internal', 'Something failed here.')
  if (failure.status >= 500) onFault(error, requestId)
  const isUnread = failure.code === 'request.encoding' || failure.code === 'revision.unknown'
  const headers: Record<string, string> = { 'x-request-id': requestId, 'cache-control': 'no-store' }
  if (failure.status === 401)
    headers['www-authenticate'] =
      failure.code === 'auth.required'
        ? 'Bearer realm="valetkey"'
        : 'Bearer realm="valetkey", error="invalid_token"'
  if (failure.status === 403)
    headers['www-authenticate'] = `Bearer realm="valetkey", error="insufficient_scope", scope="${NEEDS}"`
  return c.text(failure.message, (isUnread ? 400 : failure.status) as 400, headers)
}
