import type { IncomingMessage } from 'node:http'
import { newId } from '@valetkey/sdk/core'
import { Hono, type Context as HttpContext } from 'hono'
import { type Context, findScimToken } from '../../directory/index.ts'
import type { Store } from '../../store/index.ts'
import { type Document, resourceTypes, schemas, serviceProviderConfig } from './discovery.ts'
import { ScimError, toScimError } from './error.ts'
import { GROUPS } from './groups.ts'
import { listResources, MOST_RESULTS } from './list.ts'
import { patch } from './patch.ts'
import { PEOPLE } from './people.ts'
import { createRateLimit } from './rate-limit.ts'
import type { Kind, Stored, Token } from './resource.ts'
import { isShown, showList, showResource } from './show.ts'
import { readResource } from './value.ts'

const TYPE = 'application/scim+json'
const ERROR = 'urn:ietf:params:scim:api:messages:2.0:Error'
/** A large directory sends a few hundred a minute. */
const MOST_A_MINUTE = 3_000
const MOST_WRONG_A_MINUTE = 30

export interface ScimOptions {
  store: Store
  issuer: string
  now(): number
  addressOf(request: IncomingMessage): string
  /** Reads a JSON body within limits, also as `application/scim+json`. */
  readBody(request: Request): Promise<unknown>
  /** Told of every failure that is a fault of ours. */
  onFault(fault: unknown, requestId: string): void
}

type Env = { Variables: { token: Token; base: string }; Bindings: { incoming?: IncomingMessage } }
type Ask = HttpContext<Env>

/** SCIM 2.0 (RFC 7643, RFC 7644): directories elsewhere provision the people and groups of an organization. */
export interface Scim {
  serves(path: string): boolean
  app: Hono<Env>
}

export function createScim(options: ScimOptions): Scim {
  const app = new Hono<Env>()
  app.onError(fault => answerFault(options, fault))
  app.use('/scim/v2/:organization/*', authenticate(options))
  const at = '/scim/v2/:organization'
  app.get(`${at}/ServiceProviderConfig`, c => json(serviceProviderConfig(c.get('base'), MOST_RESULTS)))
  addDocuments(app, `${at}/ResourceTypes`, resourceTypes)
  addDocuments(app, `${at}/Schemas`, schemas)
  addKind(app, `${at}/Users`, PEOPLE, options)
  addKind(app, `${at}/Groups`, GROUPS, options)
  app.all('*', () => {
    throw new ScimError(404, 'There is nothing at this address.')
  })
  return { serves: path => path.startsWith('/scim/'), app }
}

/** A token is good for its own organization; at any other it is as unknown as none. */
function authenticate({ store, issuer, now, addressOf }: ScimOptions) {
  const [wrong, right] = [createRateLimit(now, MOST_WRONG_A_MINUTE), createRateLimit(now, MOST_A_MINUTE)]
  return async (c: Ask, next: () => Promise<void>): Promise<void> => {
    const bearer = /^Bearer ([\w.~+/-]+=*)$/i.exec(c.req.header('authorization') ?? '')?.[1]
    const organization = c.req.param('organization') ?? ''
    const token = bearer && (await findScimToken(store, organization, bearer, now()))
    if (!token) {
      const { incoming } = (c.env ?? {}) as Env['Bindings']
      if (!wrong.takes(incoming ? addressOf(incoming) : 'unknown')) throw tooMany()
      throw new ScimError(401, 'This token is unknown here, expired or revoked.')
    }
    if (!right.takes(token.id)) throw tooMany()
    c.set('token', token)
    c.set('base', `${issuer}/scim/v2/${token.slug}`)
    await next()
  }
}

function tooMany(): ScimError {
  return new ScimError(429, 'Too many requests. Wait a minute.')
}

function addDocuments(app: Hono<Env>, path: string, of: (base: string) => Document[]): void {
  app.get(path, c => {
    const all = of(c.get('base'))
    return json(showList(all, all.length, 1))
  })
  app.get(`${path}/:id`, c => {
    const found = of(c.get('base')).find(({ id }) => id === c.req.param('id'))
    if (!found) throw new ScimError(404, 'There is no such document.')
    return json(found)
  })
}

function addKind(app: Hono<Env>, path: string, kind: Kind, { store, now, readBody }: ScimOptions): void {
  const contextOf = (c: Ask): Context => {
    const { id, name } = c.get('token')
    return { store, now, actor: { id, name, permissions: [] } }
  }
  const show = async (c: Ask, stored: readonly Stored[]): Promise<object[]> => {
    const { attributes, excludedAttributes } = c.req.query()
    const selection = { attributes, excludedAttributes }
    const isWhole = isShown(kind.schema, kind.late, selection)
    const complete = isWhole ? await kind.complete(store.db, c.get('token'), stored) : stored
    return complete.map(one => showResource(kind, c.get('base'), one, selection))
  }
  const answer = async (c: Ask, id: string, status = 200): Promise<Response> => {
    const stored = await kind.find(store.db, c.get('token'), id)
    if (!stored) throw new ScimError(404, `There is no ${kind.schema.name} ${id.slice(0, 80)} here.`)
    const [resource = {}] = await show(c, [stored])
    return json(resource, status, { location: `${c.get('base')}/${kind.schema.name}s/${id}` })
  }
  const idOf = (c: Ask) => c.req.param('id') ?? ''

  app.get(path, async c => {
    const { filter, startIndex: from, count } = c.req.query()
    const query = { filter, startIndex: from, count }
    const { total, startIndex, page } = await listResources(store.db, kind, c.get('token'), query)
    return json(showList(await show(c, page), total, startIndex))
  })
  app.get(`${path}/:id`, c => answer(c, idOf(c)))
  app.post(path, async c => {
    const resource = readResource(kind.schema, await readBody(c.req.raw))
    return answer(c, await kind.create(contextOf(c), c.get('token'), resource), 201)
  })
  app.put(`${path}/:id`, async c => {
    const resource = readResource(kind.schema, await readBody(c.req.raw))
    await kind.replace(contextOf(c), c.get('token'), idOf(c), () => resource)
    return answer(c, idOf(c))
  })
  app.patch(`${path}/:id`, async c => {
    const body = await readBody(c.req.raw)
    await kind.replace(contextOf(c), c.get('token'), idOf(c), before => patch(kind.schema, before, body))
    return answer(c, idOf(c))
  })
  app.delete(`${path}/:id`, async c => {
    await kind.remove(contextOf(c), c.get('token'), idOf(c))
    return new Response(null, { status: 204, headers: { 'cache-control': 'no-store' } })
  })
}

function json(body: object, status = 200, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify(body), {
    status,
    headers: { 'content-type': TYPE, 'cache-control': 'no-store', ...headers },
  })
}

function answerFault({ now, onFault }: ScimOptions, fault: unknown): Response {
  const requestId = newId('request', now())
  const known = toScimError(fault)
  if (!known) onFault(fault, requestId)
  const { status, scimType, message } =
    known ?? new ScimError(500, `Something failed here; the log has it under ${requestId}.`)
  const headers: Record<string, string> = { 'x-request-id': requestId }
  if (status === 401) headers['www-authenticate'] = 'Bearer realm="valetkey"'
  if (status === 429) headers['retry-after'] = '60'
  // RFC 7644 section 3.12: the status is a text.
  return json({ schemas: [ERROR], status: String(status), scimType, detail: message }, status, headers)
}
