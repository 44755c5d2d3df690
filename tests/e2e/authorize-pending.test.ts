import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type AdminApi, type Client, api as contract, createClient } from '@valetkey/sdk/contract'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { findFreePort } from '../../packages/server/src/cli/run/demo/files.ts'
import { type Authority, readConfig, startAuthority } from '../../packages/server/src/server/index.ts'
import { createBrowser } from '../integration/browser.ts'
import { freshDatabase } from '../storage/databases.ts'
import { PASSWORD, personWith } from './person.ts'

/** An authority as `serve` has it: nobody takes on an agent by consent. */

const RESOURCE = 'https://billing.test/mcp'
const VERIFIER = 'a'.repeat(43)
const CHALLENGE = 'ZtNPunH49FD35FWYhT5Tv8I7vRKQJ8uxMaL0_9eHjNA'
const REDIRECT = 'http://127.0.0.1:5000/callback'

let directory: string
let authority: Authority
let api: Client<AdminApi>

const DATABASES = ['SQLite', 'PostgreSQL'] as const

async function start(database: (typeof DATABASES)[number]): Promise<void> {
  directory = await mkdtemp(join(tmpdir(), 'valetkey-pending-'))
  const port = await findFreePort()
  const config = readConfig({
    flags: {
      issuer: `http://127.0.0.1:${port}`,
      httpPort: port,
      adminPort: 0,
      dataDirectory: directory,
      masterKey: Buffer.alloc(32, 7).toString('base64'),
      logLevel: 'error',
      passwordCost: 14,
      ...(database === 'PostgreSQL' && { databaseUrl: await freshDatabase() }),
    },
  })
  authority = await startAuthority(config, { log: pino({ level: 'silent' }), drainMs: 200 })
  const claim = createClient(contract, { baseUrl: authority.url, token: () => authority.bootstrapCode ?? '' })
  const { token } = await claim.session.bootstrap({ name: 'admin' })
  api = createClient(contract, { baseUrl: authority.url, token: () => token })
  await api.organizations.create({ slug: 'northwind', name: 'Northwind' })
  await api.people.create({ email: 'maya@northwind.test', name: 'Maya' })
  await api.permissions.create({ slug: 'invoices:read', risk: 'read' })
  await api.servers.create({ name: 'billing', url: RESOURCE })
  await api.tools.map({ server: 'billing', kind: 'method', name: 'x/read', permission: 'invoices:read' })
  await api.roles.create({ slug: 'clerk', permissions: ['invoices:read'] })
  await api.assignments.create({ principal: 'user:maya@northwind.test', role: 'clerk' })
}

async function stop(): Promise<void> {
  await authority?.close()
  await rm(directory, { recursive: true, force: true })
}

async function signedUp() {
  const { url } = await api.invitations.create({ id: 'maya@northwind.test' })
  const browser = createBrowser(authority.url)
  await browser.submit(await browser.open(url), { password: PASSWORD, again: PASSWORD })
  return personWith(browser, 'maya@northwind.test')
}

async function register(): Promise<string> {
  const response = await fetch(`${authority.url}/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ client_name: 'Copilot', redirect_uris: [REDIRECT] }),
  })
  return ((await response.json()) as { client_id: string }).client_id
}

function requestOf(clientId: string): URL {
  const url = new URL(`${authority.url}/authorize`)
  const query = {
    ...{ client_id: clientId, redirect_uri: REDIRECT, response_type: 'code', state: 's' },
    ...{ code_challenge: CHALLENGE, code_challenge_method: 'S256', resource: RESOURCE },
  }
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value)
  return url
}

async function redeem(clientId: string, code: string) {
  const form = { grant_type: 'authorization_code', client_id: clientId, code, redirect_uri: REDIRECT }
  const body = new URLSearchParams({ ...form, code_verifier: VERIFIER, resource: RESOURCE })
  const response = await fetch(`${authority.url}/token`, { method: 'POST', body })
  return { status: response.status, ...((await response.json()) as Record<string, unknown>) }
}

describe.each(DATABASES)('on %s', database => {
  beforeAll(() => start(database), 60_000)
  afterAll(stop)

  test('a client that nobody knows gets nothing before an administrator has named its ceiling and activated it', async () => {
    const maya = await signedUp()
    const clientId = await register()
    const page = await maya.look(requestOf(clientId))
    expect([page.status, page.text.includes('value="allow"')]).toEqual([403, false])
    expect(await maya.answer(page, { action: 'allow' })).toMatchObject({ status: 403 })
    expect((await api.agents.list({})).items).toEqual([])

    const asked = await maya.answer(page, { action: 'ask' })
    expect(asked.status).toBe(202)
    const [agent] = (await api.agents.list({})).items
    expect(agent).toMatchObject({
      status: 'pending',
      ceiling: [],
      kind: 'user_authorized',
      owner: expect.any(String),
    })
    expect(asked.text).toContain(agent?.name)
    expect((await maya.look(requestOf(clientId))).status).toBe(403)

    const id = agent?.id ?? ''
    await api.agents.update({ id, ceiling: ['invoices:read'] })
    expect((await maya.look(requestOf(clientId))).status).toBe(403)
    await api.agents.resume({ id, reason: 'looked into' })
    const back = await maya.decide(requestOf(clientId))
    expect(await redeem(clientId, back.searchParams.get('code') ?? '')).toMatchObject({
      status: 200,
      scope: 'invoices:read',
    })
    await api.agents.suspend({ id, reason: 'test' })
    const again = await maya.browser.open(requestOf(clientId))
    expect(again.status).toBe(403)
  })

  test('a registration that nobody uses within a day is gone', async () => {
    const clientId = await register()
    await authority.store.db
      .updateTable('clientRegistration')
      .set({ expiresAt: Date.now() - 1 })
      .where('clientId', '=', clientId)
      .execute()
    const page = await createBrowser(authority.url).open(requestOf(clientId))
    expect([page.status, page.leaves]).toEqual([400, null])
  })

  test('a code for nothing is refused, and what is no client gets no token', async () => {
    const clientId = await register()
    expect(await redeem(clientId, 'made-up')).toMatchObject({ status: 401, error: 'invalid_client' })
    expect(await redeem('cli_unknown', 'made-up')).toMatchObject({ status: 401, error: 'invalid_client' })
  })

  test('an agent that an administrator registered acts for a person, by its secret or, where it is public, without', async () => {
    const maya = await signedUp()
    const { id } = await api.agents.create({
      ...{
        name: 'desk-bot',
        owner: 'maya@northwind.test',
        kind: 'user_authorized',
        ceiling: ['invoices:read'],
      },
    })
    const { secret } = await api.credentials.create({ agent: id, kind: 'secret' })
    const browser = createBrowser(authority.url)
    expect((await browser.open(requestOf(id))).status).toBe(400)
    await expect(
      api.clients.register({ agent: id, redirectUris: ['http://evil.test/cb'] }),
    ).rejects.toMatchObject({
      code: 'request.invalid',
    })
    await api.clients.register({ agent: id, redirectUris: [REDIRECT] })
    const page = await maya.look(requestOf(id))
    expect(page.text).toContain('Let desk-bot act for you?')
    const back = await maya.decide(requestOf(id))
    const code = back.searchParams.get('code') ?? ''
    expect(await redeem(id, code)).toMatchObject({ status: 401 })
    const form = { grant_type: 'authorization_code', client_id: id, client_secret: secret ?? '', code }
    const body = new URLSearchParams({ ...form, redirect_uri: REDIRECT, code_verifier: VERIFIER })
    expect((await fetch(`${authority.url}/token`, { method: 'POST', body })).status).toBe(200)

    await api.clients.register({ agent: id, redirectUris: [REDIRECT], isPublic: true })
    const open = await maya.decide(requestOf(id))
    expect(await redeem(id, open.searchParams.get('code') ?? '')).toMatchObject({ status: 200 })
    const own = new URLSearchParams({ grant_type: 'client_credentials', client_id: id, resource: RESOURCE })
    expect((await fetch(`${authority.url}/token`, { method: 'POST', body: own })).status).toBe(400)
    await api.clients.register({ agent: id, redirectUris: [] })
    expect((await browser.open(requestOf(id))).status).toBe(400)
  })
})
