import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type AdminApi, type Client, api as contract, createClient } from '@valetkey/sdk/contract'
import { pino } from 'pino'
import { findFreePort } from '../../packages/server/src/cli/run/demo/files.ts'
import { type Authority, readConfig, startAuthority } from '../../packages/server/src/server/index.ts'
import { PASSWORD, type Person, personWith } from '../e2e/person.ts'
import { createBrowser } from './browser.ts'

export const RESOURCE = 'https://desk.test/mcp'
export const WEB = 'https://app.test/callback'
export const LOOPBACK = 'http://127.0.0.1:5000/callback'
export const SCOPES = ['tickets:read', 'tickets:write', 'invoices:read', 'invoices:refund']
const VERIFIER = 'v'.repeat(43)
const CHALLENGE = createHash('sha256').update(VERIFIER).digest('base64url')

/** An agent that people authorize, as its client. */
export interface TestClient {
  id: string
  redirect: string
  secret: string | undefined
}

/** What a client asks for. */
export interface Ask {
  scope?: string[]
  prompt?: string
  state?: string
  resource?: string
}

/** An authority with Northwind in it: a desk with tickets and invoices of forty customers, Maya who holds all, and agents. */
export interface Site extends AsyncDisposable {
  url: string
  api: Client<AdminApi>
  authority: Authority
  /** Somebody with a password, signed in. */
  person(email: string, name: string, roles?: string[]): Promise<Person>
  /** An agent that somebody registered; with a secret unless it is public. */
  agent(name: string, options?: AgentOptions): Promise<TestClient>
  /** A client that registered itself. */
  register(name: string, redirect?: string): Promise<TestClient>
  ask(client: TestClient, ask?: Ask): URL
  redeem(client: TestClient, back: URL): Promise<TokenAnswer>
  refresh(client: TestClient, token: string): Promise<TokenAnswer>
}

interface AgentOptions {
  ceiling?: string[]
  redirect?: string
  isPublic?: boolean
  allOrNothing?: boolean
  roles?: string[]
}

export interface TokenAnswer {
  status: number
  access_token?: string
  refresh_token?: string
  scope?: string
  error?: string
}

export async function startSite(options: { mayAdopt?: boolean; deviceGrant?: boolean } = {}): Promise<Site> {
  const directory = await mkdtemp(join(tmpdir(), 'valetkey-consent-'))
  const port = await findFreePort()
  const config = readConfig({
    flags: {
      issuer: `http://127.0.0.1:${port}`,
      httpPort: port,
      adminPort: 0,
      dataDirectory: directory,
      masterKey: Buffer.alloc(32, 7).toString('base64'),
      databaseUrl: 'sqlite::memory:',
      logLevel: 'error',
      passwordCost: 14,
      consentMayAdoptAgents: options.mayAdopt ?? false,
      deviceGrant: options.deviceGrant ?? false,
    },
  })
  const authority = await startAuthority(config, { log: pino({ level: 'silent' }), drainMs: 200 })
  const { url } = authority
  const claim = createClient(contract, { baseUrl: url, token: () => authority.bootstrapCode ?? '' })
  const { token } = await claim.session.bootstrap({ name: 'admin' })
  const api = createClient(contract, { baseUrl: url, token: () => token })
  await seed(api)
  const post = async (path: string, body: Record<string, string>, secret?: string): Promise<TokenAnswer> => {
    const form = new URLSearchParams({ ...body, ...(secret !== undefined && { client_secret: secret }) })
    const response = await fetch(url + path, { method: 'POST', body: form })
    return { status: response.status, ...((await response.json()) as object) }
  }

  return {
    url,
    api,
    authority,
    async person(email, name, roles = ['desk']) {
      await api.people.create({ email, name })
      for (const role of roles) await api.assignments.create({ principal: `user:${email}`, role })
      const invited = await api.invitations.create({ id: email })
      const browser = createBrowser(url)
      await browser.submit(await browser.open(invited.url), { password: PASSWORD, again: PASSWORD })
      await browser.submit(await browser.open('/sign-in'), { email, password: PASSWORD })
      return personWith(browser, email)
    },
    async agent(name, { ceiling = SCOPES, redirect = WEB, isPublic = false, allOrNothing, roles } = {}) {
      const owner = 'owner@northwind.test'
      const { id } = await api.agents.create({ name, owner, kind: 'both', ceiling, allOrNothing })
      for (const role of roles ?? ['desk']) await api.assignments.create({ principal: `agent:${name}`, role })
      const made = isPublic ? undefined : await api.credentials.create({ agent: id, kind: 'secret' })
      await api.clients.register({ agent: id, redirectUris: [redirect], isPublic })
      return { id, redirect, secret: made?.secret ?? undefined }
    },
    async register(name, redirect = LOOPBACK) {
      const response = await fetch(`${url}/register`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ client_name: name, redirect_uris: [redirect] }),
      })
      const { client_id: id } = (await response.json()) as { client_id: string }
      return { id, redirect, secret: undefined }
    },
    ask(client, { scope = SCOPES, prompt, state = 's', resource = RESOURCE } = {}) {
      const asked = new URL(`${url}/authorize`)
      const query = {
        ...{ client_id: client.id, redirect_uri: client.redirect, response_type: 'code', state, resource },
        ...{ code_challenge: CHALLENGE, code_challenge_method: 'S256', scope: scope.join(' ') },
        ...(prompt !== undefined && { prompt }),
      }
      for (const [name, value] of Object.entries(query)) asked.searchParams.set(name, value)
      return asked
    },
    redeem: (client, back) =>
      post(
        '/token',
        {
          ...{ grant_type: 'authorization_code', client_id: client.id, redirect_uri: client.redirect },
          ...{ code: back.searchParams.get('code') ?? '', code_verifier: VERIFIER, resource: RESOURCE },
        },
        client.secret,
      ),
    refresh: (client, refresh_token) =>
      post('/token', { grant_type: 'refresh_token', client_id: client.id, refresh_token }, client.secret),
    async [Symbol.asyncDispose]() {
      await authority.close()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

async function seed(api: Client<AdminApi>): Promise<void> {
  await api.organizations.create({ slug: 'northwind', name: 'Northwind' })
  await api.people.create({ email: 'owner@northwind.test', name: 'Olga' })
  await api.resourceTypes.create({ slug: 'customer', name: 'Customer' })
  const rows = [
    { type: 'customer', id: 'acme', name: 'Acme Traders' },
    ...Array.from({ length: 39 }, (_, i) => ({ type: 'customer', id: `c-${i}`, name: `Customer No. ${i}` })),
  ]
  await api.resources.import({ rows })
  const permission = (slug: string, label: string, risk: 'read' | 'write' | 'dangerous') =>
    api.permissions.create({ slug, label, risk, type: 'customer' })
  await permission('tickets:read', 'Read tickets', 'read')
  await permission('tickets:write', 'Answer tickets', 'write')
  await permission('invoices:read', 'Read invoices', 'read')
  await permission('invoices:refund', 'Refund invoices', 'dangerous')
  await api.roles.create({ slug: 'desk', permissions: SCOPES })
  for (const scope of SCOPES)
    await api.roles.create({
      slug: `on-${scope.replace(':', '-')}`,
      type: 'customer',
      permissions: [scope],
    })
  await api.servers.create({ name: 'desk', url: RESOURCE })
  for (const scope of SCOPES)
    await api.tools.map({ server: 'desk', kind: 'method', name: `x/${scope}`, permission: scope })
}
