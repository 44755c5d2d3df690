import { randomBytes } from 'node:crypto'
import { type AdminApi, api, type Client, createClient } from '@valetkey/sdk/contract'
import pino from 'pino'
import { inTrace, openAudit } from '../../packages/server/src/audit/index.ts'
import { openBaseline } from '../../packages/server/src/baseline/index.ts'
import {
  type Context,
  type DelegationWish,
  offerDelegation,
  redeemDelegation,
  type WaitForPoints,
} from '../../packages/server/src/directory/index.ts'
import { createFeed } from '../../packages/server/src/feed/index.ts'
import { createApi } from '../../packages/server/src/server/index.ts'
import { tellRisk } from '../../packages/server/src/signals/index.ts'
import { openSinks } from '../../packages/server/src/sinks/index.ts'
import { type Db, openStore } from '../../packages/server/src/store/index.ts'

export const ISSUER = 'https://auth.test'
const START = Date.parse('2027-01-01T00:00:00Z')

/** The whole product in memory: what a test asks goes through `fetch`, as it would over HTTP, to the real modules. */
export async function start({
  claim = true,
  url = 'sqlite::memory:',
  masterKey = randomBytes(32) as Uint8Array,
  sinkPrivateHosts = [] as string[],
  waitForPoints = undefined as WaitForPoints | undefined,
} = {}) {
  let nowMs = START
  const now = () => nowMs
  const store = await openStore({ url, masterKey, now })
  const audit = await openAudit({ store, path: ':memory:', origin: 'auth.test/log', now })
  const sinks = await openSinks({
    ...{ store, audit, now, configured: [], privateHosts: sinkPrivateHosts, host: 'auth.test' },
    onFault: () => undefined,
  })
  const feed = createFeed({ store, audit, issuer: ISSUER, now, onFault: () => undefined })
  const log = pino({ level: 'silent' })
  const baseline = await openBaseline({
    ...{ store, audit, now, waitForPoints: waitForPoints ?? feed.barrier },
    onAlert(tx, { id, organizationId: organization, agentId: agent, sentence: reason, at }) {
      const risk = { organization, agent, at: Date.parse(at), reason, id, actor: 'baseline' }
      return tellRisk(tx, risk, { issuer: ISSUER, now: now() })
    },
    onFault: () => undefined,
  })
  const { app, bootstrapCode } = await createApi({
    store,
    audit,
    sinks,
    baseline,
    now,
    issuer: ISSUER,
    isDev: false,
    barrier: feed.barrier,
    log,
    // DNS shows at proved.test what every claim asks for, and nothing elsewhere.
    resolveTxt: async name => (name === '_valetkey.proved.test' ? claimsOf(store) : []),
  })
  const send = (request: Request) => inTrace(request.headers.get('traceparent'), () => app.fetch(request))
  const clientWith = (token: () => string | Promise<string>): Client<AdminApi> =>
    createClient(api, { baseUrl: ISSUER, token, fetch: send })
  const claimed = claim
    ? await clientWith(() => bootstrapCode ?? '').session.bootstrap({ name: 'admin' })
    : { token: '' }

  return {
    store,
    audit,
    sinks,
    baseline,
    now,
    bootstrapCode,
    adminToken: claimed.token,
    /** Sends a request as it is. */
    send,
    /** Sends JSON to a path under `/api` as the administrator, and gives the status, the body and the headers. */
    async request(method: string, path: string, body?: unknown, headers: Record<string, string> = {}) {
      const init: RequestInit = {
        method,
        headers: { authorization: `Bearer ${claimed.token}`, 'content-type': 'application/json', ...headers },
      }
      if (body !== undefined) init.body = typeof body === 'string' ? body : JSON.stringify(body)
      const response = await send(new Request(`${ISSUER}/api${path}`, init))
      const text = await response.text()
      return {
        status: response.status,
        headers: response.headers,
        body: text === '' ? null : JSON.parse(text),
      }
    },
    /** A client that carries these permissions, or all. */
    client(...permissions: string[]): Client<AdminApi> {
      if (permissions.length === 0) return clientWith(() => claimed.token)
      const admin = clientWith(() => claimed.token)
      let token: Promise<string> | undefined
      return clientWith(() => {
        token ??= admin.apiTokens.create({ name: 'narrow', permissions }).then(made => made.token ?? '')
        return token
      })
    },
    clientWith,
    /** All recorded changes so far, oldest first. */
    async events() {
      await audit.flush()
      const page = await audit.changes({ limit: 200 })
      return page.items
    },
    passTime(ms: number) {
      nowMs += ms
    },
    async [Symbol.asyncDispose]() {
      feed.close()
      await baseline.close()
      await sinks.close()
      await audit.close()
      await store.close()
    },
  }
}

async function claimsOf({ db }: { db: Db }): Promise<string[]> {
  const claims = await db.selectFrom('identityDomain').select('token').execute()
  return claims.map(({ token }) => `valetkey-domain=${token}`)
}

export type Product = Awaited<ReturnType<typeof start>>

/** An organization with one person, one server with a mapped tool, and an agent that may use it. */
export async function northwind(product: Product) {
  const admin = product.client()
  const organization = await admin.organizations.create({ slug: 'northwind', name: 'Northwind' })
  const maya = await admin.people.create({ email: 'maya@northwind.test', name: 'Maya' })
  const server = await admin.servers.create({ name: 'billing', url: 'https://billing.test/mcp' })
  await admin.permissions.create({ slug: 'invoices:read', risk: 'read' })
  await admin.resourceTypes.create({ slug: 'invoice', instances: 'open' })
  const tool = await admin.tools.map({ server: 'billing', ...INVOICE_RULE })
  const role = await admin.roles.create({ slug: 'clerk', permissions: ['invoices:read'] })
  const agent = await admin.agents.create({
    name: 'support-bot',
    owner: 'maya@northwind.test',
    ceiling: ['invoices:*'],
  })
  const credential = await admin.credentials.create({ agent: 'support-bot', kind: 'secret' })
  const assignment = await admin.assignments.create({ principal: 'support-bot', role: 'clerk' })
  return { organization, maya, server, tool, role, agent, credential, assignment }
}

export const INVOICE_RULE = {
  name: 'get_invoice',
  permission: 'invoices:read',
  definition: `sha256-${'a'.repeat(43)}`,
  inputSchema: { type: 'object', properties: { id: { type: 'string' } }, required: ['id'] },
  resource: 'invoice/{args.id}',
  risk: 'read' as const,
}

/** Lets one agent act for another, as the two would do at the authority; gives the delegation. */
export async function handOn(
  product: Product,
  { organization, from, to }: { organization: string; from: string; to: string },
  more: Partial<DelegationWish> = {},
) {
  const admin = product.client()
  const giver = await admin.agents.get({ organization, id: from })
  const taker = await admin.agents.get({ organization, id: to })
  const { items } = await admin.credentials.list({ organization, agent: giver.id })
  const credential =
    items[0]?.id ?? (await admin.credentials.create({ organization, agent: giver.id, kind: 'secret' })).id
  const by = (id: string): Context => ({ ...product, actor: { id, name: id, permissions: [] } })
  const wish: DelegationWish = {
    ...{ organization: giver.organization, agent: giver.id, credential, delegate: taker.id },
    ...{ grant: undefined, parent: undefined, scopes: undefined, resources: [], condition: null },
    ...{ expiresInSeconds: 60, hops: 0, purpose: '', ...more },
  }
  const offer = await offerDelegation(by(giver.id), wish, { maxDepth: 4 })
  await redeemDelegation(by(taker.id), { handle: offer.handle, agent: taker.id })
  return admin.delegations.get({ organization, id: offer.id })
}
