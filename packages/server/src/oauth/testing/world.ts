import { createServer as createHttpServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { api } from '@valetkey/sdk/contract'
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose'
import {
  type Context,
  createAgent,
  createCredential,
  createOrganization,
  createPermission,
  createPerson,
  createServer,
  mapTool,
} from '../../directory/index.ts'
import { beginChange, openStore, type Store, type Tx } from '../../store/index.ts'
import { type AuthorizationServerOptions, createAuthorizationServer } from '../index.ts'

export const RESOURCE = 'https://billing.example.com/mcp'
export const BARE_RESOURCE = 'https://bare.example.com'
export const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

type Form = Record<string, string> | [string, string][]
type Claims = Record<string, unknown>
interface Event {
  type: string
  organization: string | null
  actor: string
  target: string
  detail: Record<string, unknown>
}

/**
 * An authorization server on a real socket over a real store, with one organization, two MCP servers and one agent that
 * holds a secret and a key.
 */
export async function startWorld(options: Partial<AuthorizationServerOptions> & { path?: string } = {}) {
  const store =
    options.store ?? (await openStore({ url: 'sqlite::memory:', masterKey: new Uint8Array(32).fill(7) }))
  const logged: object[] = []
  const note = (fields: object, message: string) => void logged.push({ ...fields, message })
  const http = createHttpServer()
  await new Promise<void>(resolve => http.listen(0, '127.0.0.1', resolve))
  const origin = `http://127.0.0.1:${(http.address() as AddressInfo).port}`
  const issuer = origin + (options.path ?? '')
  const log = { warn: note, error: note }
  const authorizationServer = await createAuthorizationServer({ store, issuer, log, ...options })
  http.on('request', (request, response) => void authorizationServer.handler(request, response))
  const seeds = await seed(store)
  const post = (path: string, form: Form, headers: Record<string, string> = {}) =>
    fetch(issuer + path, { method: 'POST', body: new URLSearchParams(form), headers })

  return {
    store,
    issuer,
    origin,
    logged,
    authorizationServer,
    ...seeds,
    token: (form: Form, headers?: Record<string, string>) => post('/token', form, headers),
    introspect: (form: Form, headers?: Record<string, string>) => post('/token/introspection', form, headers),
    revoke: (form: Form, headers?: Record<string, string>) => post('/token/revocation', form, headers),
    assertion: (claims: Claims = {}, header: object = {}, key: CryptoKey = seeds.key) =>
      signAssertion({ iss: seeds.agent, sub: seeds.agent, aud: issuer, ...claims }, header, key),
    registerServer: (url: string) => registerServer(contextOf(store), 'other', url),
    /** Changes rows as every operation does: with the organization's next revision. */
    change: (work: (tx: Tx) => Promise<unknown>) =>
      store.write(async tx => {
        await beginChange(tx, seeds.organization, { actor: 'tok_test', now: Date.now() })
        await work(tx)
      }),
    /** Audit events so far, oldest first. */
    async events(type?: string) {
      const rows = await store.db.selectFrom('auditOutbox').select('body').orderBy('id').execute()
      const events = rows.map(row => JSON.parse(row.body) as Event)
      return events.filter(event => type === undefined || event.type === type)
    },
    async [Symbol.asyncDispose]() {
      await authorizationServer.close()
      http.closeAllConnections()
      http.close()
      if (!options.store) await store.close()
    },
  }
}

export type World = Awaited<ReturnType<typeof startWorld>>

/** Northwind, its billing server where the catalogue has none yet, and an agent with its credentials. */
export async function seed(store: Store) {
  const ctx = contextOf(store)
  const known = await store.db
    .selectFrom('server')
    .select('id')
    .where('url', '=', RESOURCE)
    .executeTakeFirst()
  if (!known) await seedCatalogue(ctx)
  const slug = `northwind-${crypto.randomUUID().slice(0, 8)}`
  const { id: organization } = await createOrganization(ctx, { slug, name: 'Northwind' })
  const { id: owner } = await createPerson(ctx, { organization, email: 'ada@northwind.example', name: 'Ada' })
  const { id: agent } = await createAgent(ctx, {
    ...{ organization, name: 'billing-bot', owner, purpose: 'bills', kind: 'autonomous' },
    ceiling: ['invoices:*', 'customers:read'],
  })
  const { secret, credential: secretCredential } = await addSecret(store, agent)
  const { key, credential: keyCredential } = await addKey(store, agent)
  return { organization, owner, agent, secret, secretCredential, key, keyCredential }
}

function contextOf(store: Store): Context {
  return { store, now: Date.now, actor: { id: 'tok_test', name: 'test', permissions: ['*'] } }
}

const PERMISSIONS = ['invoices:read', 'invoices:refund', 'customers:read', 'customers:delete']

async function seedCatalogue(ctx: Context): Promise<void> {
  for (const slug of PERMISSIONS)
    await createPermission(ctx, { slug, type: 'organization', label: '', risk: 'read', condition: null })
  await createServer(ctx, { name: 'bare', url: BARE_RESOURCE, mode: 'enforce' })
  await registerServer(ctx, 'billing', RESOURCE)
}

/** A server whose rules need all permissions. */
async function registerServer(ctx: Context, name: string, url: string): Promise<void> {
  const { id: server } = await createServer(ctx, { name, url, mode: 'enforce' })
  for (const slug of PERMISSIONS)
    await mapTool(ctx, {
      ...{ server, kind: 'method', name: `x/${slug.replace(':', '-')}`, permission: slug, definition: null },
      ...{ inputSchema: null, resource: null, condition: null, risk: 'read', mode: null },
    })
}

export async function addSecret(store: Store, agent: string) {
  const input = api.credentials.create.body.parse({ kind: 'secret' })
  const { id, secret } = await createCredential(contextOf(store), { agent, ...input })
  return { secret: secret ?? '', credential: id }
}

export async function addKey(store: Store, agent: string, alg = 'ES256', legacyAudience = false) {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true })
  const jwk = { ...(await exportJWK(publicKey)), alg }
  return { key: privateKey, credential: await addPublicKey(store, agent, jwk, legacyAudience) }
}

export async function addPublicKey(
  store: Store,
  agent: string,
  jwk: JWK,
  legacyAudience = false,
): Promise<string> {
  const input = api.credentials.create.body.parse({ kind: 'key', publicKey: jwk, legacyAudience })
  const { id } = await createCredential(contextOf(store), { agent, ...input })
  return id
}

export async function signAssertion(claims: Claims, header: object, key: CryptoKey): Promise<string> {
  const iat = Math.floor(Date.now() / 1000)
  return new SignJWT({ iat, exp: iat + 60, jti: crypto.randomUUID(), ...claims })
    .setProtectedHeader({ alg: 'ES256', ...header })
    .sign(key)
}

/** What the endpoints answer, as tests read it. */
export interface Answer {
  access_token: string
  scope: string
  error: string
  issuer: string
  token_endpoint: string
  keys: object[]
}

export async function answerOf(response: Response | Promise<Response>): Promise<Answer> {
  return (await (await response).json()) as Answer
}
