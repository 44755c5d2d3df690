import { createHash, randomUUID } from 'node:crypto'
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose'
import { Change, LeaseResponse, RegisterResponse, ResetEvent } from '../../packages/sdk/src/core/index.ts'
import {
  type Context,
  createAgent,
  createAssignment,
  createCredential,
  createOrganization,
  createPermission,
  createPerson,
  createRole,
  createServer,
  createServerKey,
  mapTool,
} from '../../packages/server/src/directory/index.ts'
import { createFeed, type Feed, type FeedOptions } from '../../packages/server/src/feed/index.ts'
import type { Store } from '../../packages/server/src/store/index.ts'

export const ISSUER = 'https://auth.example'

export function contextOf(store: Store, now: () => number = Date.now): Context {
  return { store, now, actor: { id: 'tok_test', name: 'test', permissions: ['*'] } }
}

export function openFeed(store: Store, options: Partial<FeedOptions> = {}): Feed {
  return createFeed({ store, issuer: ISSUER, now: Date.now, ...options })
}

/** Northwind with one agent that may refund, on the MCP server `billing`; the server `crm` is somebody else's. */
export async function seed(ctx: Context) {
  const billing = await createServer(ctx, {
    name: 'billing',
    url: 'https://billing.example/mcp',
    mode: 'enforce',
  })
  const crm = await createServer(ctx, { name: 'crm', url: 'https://crm.example/mcp', mode: 'enforce' })
  const slug = 'invoices:refund'
  await createPermission(ctx, { slug, type: 'organization', label: '', risk: 'dangerous', condition: null })
  const role = await createRole(ctx, { slug: 'clerk', name: '', type: 'organization', permissions: [slug] })
  await map(ctx, billing.id, 'refund')
  await map(ctx, crm.id, 'secret-crm-tool')
  const { id: organization } = await createOrganization(ctx, { slug: 'northwind', name: 'Northwind' })
  const ada = await createPerson(ctx, { organization, email: 'ada@northwind.example', name: 'Ada' })
  const agent = await addAgent(ctx, organization, ada.id, 'billing-bot')
  const credential = await createCredential(ctx, {
    ...{ organization, agent: agent.id, kind: 'secret', label: '', expiresAt: null, legacyAudience: false },
  })
  const assignment = await createAssignment(ctx, {
    ...{ organization, principal: agent.id, role: role.id, source: 'direct', sourceId: '', expiresAt: null },
  })
  const key = await createServerKey(ctx, { server: billing.id, label: '' })
  const crmKey = await createServerKey(ctx, { server: crm.id, label: '' })
  return {
    ...{ billing, crm, role, organization, agent, credential, assignment, owner: ada.id },
    ...{ serverKey: key.key ?? '', serverKeyId: key.id, crmKey: crmKey.key ?? '' },
  }
}

export type Seeded = Awaited<ReturnType<typeof seed>>

export function map(
  ctx: Context,
  server: string,
  name: string,
  inputSchema: { [key: string]: string } = { type: 'object' },
) {
  return mapTool(ctx, {
    ...{ server, kind: 'tool', name, permission: 'invoices:refund', definition: `sha256-${name}` },
    ...{ inputSchema, resource: null, condition: null, risk: 'write', mode: null },
  })
}

export function addAgent(ctx: Context, organization: string, owner: string, name: string) {
  return createAgent(ctx, {
    ...{ organization, name, owner, purpose: '', kind: 'autonomous', ceiling: ['invoices:refund'] },
  })
}

export interface Keys {
  publicJwk: JWK
  privateKey: CryptoKey
}

export async function newKeys(alg = 'ES256'): Promise<Keys> {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true })
  return { publicJwk: await exportJWK(publicKey), privateKey }
}

export interface ProofParts {
  audience?: string
  issuedAt?: number
  jti?: string
  serverKeyHash?: string
}

export function proofOf(keys: Keys, serverKey: string, parts: ProofParts = {}): Promise<string> {
  const skh = parts.serverKeyHash ?? createHash('sha256').update(serverKey).digest('base64url')
  return new SignJWT({ skh })
    .setProtectedHeader({ alg: keys.publicJwk.kty === 'OKP' ? 'EdDSA' : 'ES256' })
    .setAudience(parts.audience ?? ISSUER)
    .setIssuedAt(Math.floor((parts.issuedAt ?? Date.now()) / 1000))
    .setJti(parts.jti ?? randomUUID())
    .sign(keys.privateKey)
}

export type Send = (path: string, init?: RequestInit) => Promise<Response>

/** To a feed in this process, without a socket. */
export function sendTo(feed: Feed): Send {
  return async (path, init) => feed.app.fetch(new Request(`${ISSUER}${path}`, init))
}

export interface FeedPoint {
  id: string
  epoch: number
  session: string
  send(path: string, init?: RequestInit): Promise<Response>
  post(path: string, body: unknown): Promise<Response>
  snapshot(organization: string): Promise<Change>
  lease(applied: Record<string, number>, dropped?: string[]): Promise<LeaseResponse>
  /** Events from a position on; ends with the stream. */
  events(from: string, options?: { lastEventId?: string; signal?: AbortSignal }): AsyncGenerator<FeedEvent>
}

export type FeedEvent = { id: string } & (
  | { kind: 'change'; change: Change }
  | { kind: 'reset'; organization: string }
)

export async function register(
  send: Send,
  serverKey: string,
  keys: Keys,
  body: Record<string, unknown> = {},
): Promise<Response> {
  const { publicJwk } = keys
  const proof = await proofOf(keys, serverKey)
  return send('/feed/register', {
    method: 'POST',
    headers: { authorization: `Bearer ${serverKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({ kind: 'guard', version: '0', publicJwk, sealingJwk: null, proof, ...body }),
  })
}

export async function startPoint(
  send: Send,
  serverKey: string,
  keys?: Keys,
  body?: Record<string, unknown>,
): Promise<FeedPoint> {
  const response = await register(send, serverKey, keys ?? (await newKeys()), body)
  const { point, epoch, session } = RegisterResponse.parse(await response.json())
  const authorization = `Bearer ${session}`
  const authorized: Send = (path, init) =>
    send(path, { ...init, headers: { ...init?.headers, authorization } })
  const post = (path: string, content: unknown) =>
    authorized(path, {
      method: 'POST',
      body: JSON.stringify(content),
      headers: { 'content-type': 'application/json' },
    })
  return {
    ...{ id: point, epoch, session, send: authorized, post },
    snapshot: async organization =>
      Change.parse(await (await authorized(`/feed/snapshot?organization=${organization}`)).json()),
    lease: async (applied, dropped = []) =>
      LeaseResponse.parse(await (await post('/feed/lease', { applied, dropped })).json()),
    async *events(from, { lastEventId, signal } = {}) {
      const headers = lastEventId === undefined ? {} : { 'last-event-id': lastEventId }
      const init = { headers, ...(signal ? { signal } : {}) }
      const response = await authorized(`/feed/changes?from=${from}`, init)
      if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`)
      if (response.body) yield* readFeed(response.body)
    },
  }
}

export async function* readFeed(body: ReadableStream<Uint8Array>): AsyncGenerator<FeedEvent> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of body) {
    const blocks = (rest + decoder.decode(chunk, { stream: true })).split('\n\n')
    rest = blocks.pop() ?? ''
    for (const block of blocks) {
      const event = parseEvent(block)
      if (event) yield event
    }
  }
}

function parseEvent(block: string): FeedEvent | undefined {
  const field = (name: string) =>
    block
      .split('\n')
      .find(line => line.startsWith(`${name}: `))
      ?.slice(name.length + 2)
  const data = field('data')
  if (data === undefined) return undefined
  const id = field('id') ?? ''
  if (field('event') === 'reset') return { id, kind: 'reset', ...ResetEvent.parse(JSON.parse(data)) }
  return { id, kind: 'change', change: Change.parse(JSON.parse(data)) }
}

/** The first `count` events of a stream, which is then left. */
export async function take(events: AsyncGenerator<FeedEvent>, count: number): Promise<FeedEvent[]> {
  const taken: FeedEvent[] = []
  for await (const event of events) {
    taken.push(event)
    if (taken.length === count) break
  }
  return taken
}
