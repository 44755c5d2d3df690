import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { newId, newSecret } from '@valetkey/sdk/core'
import { type CryptoKey, calculateJwkThumbprint, exportJWK, generateKeyPair, SignJWT } from 'jose'
import { beginChange, hashSecret, openStore, type Store } from '../../store/index.ts'
import { type AuthorizationServerOptions, createAuthorizationServer } from '../index.ts'

/**
 * An authorization server on a real socket over a real store, with one organization, one MCP server and one agent that
 * holds a secret and a key.
 */
export async function startWorld(options: Partial<AuthorizationServerOptions> & { path?: string } = {}) {
  const store =
    options.store ?? (await openStore({ url: 'sqlite::memory:', masterKey: new Uint8Array(32).fill(7) }))
  const logged: object[] = []
  const log = {
    warn: (fields: object, message: string) => void logged.push({ ...fields, message }),
    error: (fields: object, message: string) => void logged.push({ ...fields, message }),
  }
  const http = createServer()
  await new Promise<void>(resolve => http.listen(0, '127.0.0.1', resolve))
  const origin = `http://127.0.0.1:${(http.address() as AddressInfo).port}`
  const issuer = origin + (options.path ?? '')
  const authorizationServer = await createAuthorizationServer({ store, issuer, log, ...options })
  http.on('request', (request, response) => void authorizationServer.handler(request, response))
  const seeds = await seed(store)

  return {
    store,
    issuer,
    origin,
    logged,
    authorizationServer,
    ...seeds,
    token: (form: Form, headers: Record<string, string> = {}) =>
      fetch(`${issuer}/token`, { method: 'POST', body: formBody(form), headers }),
    revoke: (form: Form, headers: Record<string, string> = {}) =>
      fetch(`${issuer}/token/revocation`, { method: 'POST', body: formBody(form), headers }),
    assertion: (claims: Claims = {}, header: object = {}, key: CryptoKey = seeds.key) =>
      signAssertion({ iss: seeds.agent, sub: seeds.agent, aud: issuer, ...claims }, header, key),
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
type Form = Record<string, string> | [string, string][]
type Claims = Record<string, unknown>
interface Event {
  type: string
  organization: string | null
  actor: string
  target: string
  detail: Record<string, unknown>
}

export const RESOURCE = 'https://billing.example.com/mcp'

/** The rows that the directory would write, and the credentials that only the agent holds. */
export async function seed(store: Store) {
  const at = new Date().toISOString()
  const organization = newId('organization')
  const owner = newId('person')
  const agent = newId('agent')
  await store.write(async tx => {
    await tx
      .insertInto('organization')
      .values({
        id: organization,
        seq: Math.floor(Math.random() * 1e9) + 1,
        slug: organization,
        name: 'Northwind',
        status: 'active',
        createdAt: at,
      })
      .execute()
    const principal = { organizationId: organization, status: 'active' as const, createdAt: at }
    await tx
      .insertInto('principal')
      .values([
        { ...principal, seq: 1, id: owner, kind: 'user', externalId: 'ada@northwind.example', name: 'Ada' },
        { ...principal, seq: 2, id: agent, kind: 'agent', externalId: 'billing-bot', name: 'billing-bot' },
      ])
      .execute()
    const ceiling = JSON.stringify(['invoices:*', 'customers:read'])
    await tx
      .insertInto('agent')
      .values({
        id: agent,
        organizationId: organization,
        ownerId: owner,
        purpose: 'bills',
        kind: 'autonomous',
        ceiling,
      })
      .execute()
    await tx
      .insertInto('client')
      .values({
        id: agent,
        organizationId: organization,
        kind: 'pre-registered',
        agentId: agent,
        legacyAudience: 0,
        createdAt: at,
      })
      .execute()
  })
  if (!(await store.db.selectFrom('server').select('id').where('url', '=', RESOURCE).executeTakeFirst()))
    await seedCatalogue(store, at)
  const secret = await addSecret(store, { organization, agent })
  const { key, credential: keyCredential } = await addKey(store, { organization, agent })
  return {
    organization,
    owner,
    agent,
    secret: secret.secret,
    secretCredential: secret.credential,
    key,
    keyCredential,
  }
}

async function seedCatalogue(store: Store, createdAt: string): Promise<void> {
  await store.write(async tx => {
    await beginChange(tx, 'catalogue', { actor: 'test', now: Date.now() })
    const server = newId('server')
    await tx
      .insertInto('server')
      .values({
        id: server,
        name: 'billing',
        url: RESOURCE,
        mode: 'enforce',
        status: 'active',
        upstreamHeader: null,
        upstreamSecret: null,
        createdAt,
      })
      .execute()
    await tx
      .insertInto('server')
      .values({
        id: newId('server'),
        name: 'bare',
        url: 'https://bare.example.com/',
        mode: 'enforce',
        status: 'active',
        upstreamHeader: null,
        upstreamSecret: null,
        createdAt,
      })
      .execute()
    for (const [bit, slug] of [
      'invoices:read',
      'invoices:refund',
      'customers:read',
      'customers:delete',
    ].entries()) {
      const permission = newId('permission')
      await tx
        .insertInto('permission')
        .values({
          id: permission,
          slug,
          typeId: 'organization',
          bit,
          label: slug,
          risk: 'read',
          retiredRevision: null,
        })
        .execute()
      await tx
        .insertInto('tool')
        .values({
          id: newId('tool'),
          serverId: server,
          kind: 'tool',
          name: slug.replace(':', '_'),
          permissionId: permission,
          definition: null,
          inputSchema: null,
          resource: null,
          condition: null,
          risk: 'read',
          mode: null,
        })
        .execute()
    }
  })
}

interface Whose {
  organization: string
  agent: string
}

export async function addSecret(store: Store, whose: Whose, expiresAt: string | null = null) {
  const secret = newSecret('vks')
  const credential = await addCredential(store, whose, {
    kind: 'secret',
    secretHash: hashSecret(secret),
    expiresAt,
  })
  return { secret, credential }
}

export async function addKey(store: Store, whose: Whose, alg = 'ES256', expiresAt: string | null = null) {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true })
  const jwk = await exportJWK(publicKey)
  const thumbprint = await calculateJwkThumbprint(jwk)
  const publicJwk = JSON.stringify({ ...jwk, alg })
  const credential = await addCredential(store, whose, { kind: 'key', publicJwk, thumbprint, expiresAt })
  return { key: privateKey, credential }
}

async function addCredential(
  store: Store,
  { organization, agent }: Whose,
  values: {
    kind: 'secret' | 'key'
    secretHash?: string
    publicJwk?: string
    thumbprint?: string
    expiresAt: string | null
  },
): Promise<string> {
  const id = newId('credential')
  await store.write(tx =>
    tx
      .insertInto('credential')
      .values({
        id,
        organizationId: organization,
        agentId: agent,
        clientId: agent,
        secretHash: null,
        publicJwk: null,
        thumbprint: null,
        label: '',
        createdAt: new Date().toISOString(),
        createdBy: 'test',
        revokedAt: null,
        lastUsedAt: null,
        lastUsedFrom: null,
        ...values,
      })
      .execute(),
  )
  return id
}

/** A form as `fetch` sends it; the type names what the DOM calls URLSearchParams. */
function formBody(form: Form): URLSearchParams {
  return new URLSearchParams(form)
}

export const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

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
