import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Site, sendJson, startSite } from '../../packages/server/src/oauth/testing/loopback-site.ts'
import { createBrowser } from '../integration/browser.ts'
import { connectForPeople, type Introduction, Keeper, type PeopleClient } from './clients/for-people.ts'
import { CLIENTS, KNOWN, MATRIX, type Row, STEPS } from './clients/matrix.ts'
import { inspectorForPeople, mcpRemoteByCode, mcpRemoteForPeople } from './clients/process-for-people.ts'
import { strictForPeople } from './clients/strict-for-people.ts'
import { type Answer, freeRedirect, invited, personWith } from './person.ts'
import { startWorld, type World } from './world.ts'

/** Clients that nobody has changed, from a page for a person to the day on which it is taken back. */

const ACME = { name: 'get_invoice', arguments: { customer: 'acme', id: 'INV-1042' } }
const GLOBEX = { name: 'get_invoice', arguments: { customer: 'globex', id: 'INV-2001' } }
const REFUND = { name: 'refund_invoice', arguments: { customer: 'acme', id: 'INV-1042', amount: 10 } }
const EMAIL = 'maya@northwind.test'

let world: World
let site: Site
let home: string
/** What the site has documents about, by path. */
const documents = new Map<string, object>()

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'valetkey-clients-'))
  site = await startSite((request, response) => sendJson(response, documents.get(request.url ?? '') ?? {}))
  world = await startWorld({ clientDocumentPrivateHosts: site.host, deviceGrant: true })
  await world.api.assignments.create({ principal: `user:${EMAIL}`, role: 'billing-analyst' })
  await invited(world, EMAIL)
}, 120_000)
afterAll(async () => {
  await world?.[Symbol.asyncDispose]()
  await site?.[Symbol.asyncDispose]()
  await rm(home, { recursive: true, force: true })
})

let count = 0

/** Makes a client known in one of the three ways. */
async function introduce({ client, known }: Row): Promise<Introduction> {
  const redirect = await freeRedirect()
  const name = `${client}-${++count}`
  if (known === 'document') {
    const document = `${site.url}/${name}.json`
    const metadata = { client_id: document, client_name: name, redirect_uris: [redirect] }
    documents.set(`/${name}.json`, { ...metadata, token_endpoint_auth_method: 'none' })
    return { redirect, document }
  }
  if (known === 'dynamic') return { redirect }
  const agent = { name, owner: EMAIL, kind: 'user_authorized' as const, ceiling: ['invoices:*'] }
  const { id } = await world.api.agents.create(agent)
  await world.api.assignments.create({ principal: id, role: 'billing-analyst' })
  const { clientId } = await world.api.clients.register({
    agent: id,
    redirectUris: [redirect],
    isPublic: true,
  })
  return { redirect, clientId }
}

/** Maya at a browser in which nobody has signed in yet; how she answers is said as it goes on. */
function sitDown() {
  const person = personWith(createBrowser(world.url), EMAIL)
  const seen = {
    pages: [] as string[],
    signIns: 0,
    answer: {} as Answer,
    async decide(url: URL): Promise<URL> {
      const first = await person.browser.open(url)
      if (first.text.includes('name="password"')) seen.signIns++
      const page = await person.look(url)
      seen.pages.push(page.text)
      const { leaves, status } = await person.answer(page, seen.answer)
      if (!leaves) throw new Error(`no way back: ${status}`)
      return leaves
    },
  }
  return seen
}

type Seat = ReturnType<typeof sitDown>

async function start(row: Row, { decide }: Seat): Promise<PeopleClient> {
  const introduction = await introduce(row)
  const { redirect, document, clientId } = introduction
  const { url } = world.billing
  const own = { url, introduction, decide, home: await mkdtemp(join(home, 'client-')) }
  const client = clientId === undefined ? undefined : { client_id: clientId }
  const keeper = () =>
    new Keeper(redirect, { ...(document !== undefined && { document }), ...(client && { client }) })
  switch (row.client) {
    case 'sdk-v1':
      return connectForPeople('v1', { url, keeper: keeper(), decide })
    case 'sdk-v2':
      return connectForPeople('v2', { url, keeper: keeper(), decide })
    case 'mcp-remote':
      return mcpRemoteForPeople(own, row.known === 'document' ? 'auto' : 'legacy')
    case 'inspector':
      return inspectorForPeople(own)
    case 'oauth4webapi':
    case 'openid-client':
      return strictForPeople(row.client, { issuer: world.url, url, redirect, decide })
  }
}

async function newestGrant() {
  const { items } = await world.api.grants.list({ person: EMAIL, limit: 200 })
  const [newest] = items.sort((a, b) => (a.id < b.id ? 1 : -1))
  if (!newest) throw new Error('nothing was granted')
  return newest
}

/** The tokens that were issued under a grant, the newest first. */
async function tokensOf(grant: string): Promise<string[]> {
  const { items } = await world.api.audit.changes({ type: 'token.issued', limit: 200 })
  const own = items.filter(({ detail }) => (detail as { grant?: string }).grant === grant)
  return own.map(({ target }) => target ?? '').sort((a, b) => (a < b ? 1 : -1))
}

describe.each(MATRIX.map(row => ({ ...row, title: `${row.client}, ${KNOWN[row.known]}` })))('$title', row => {
  const step = (name: keyof typeof STEPS, walk: () => Promise<void>) =>
    test(`${STEPS[name]}: ${row.steps[name]}`, walk)
  let seat: Seat
  let client: PeopleClient
  let grant: string
  afterAll(() => client?.close().catch(() => undefined))

  step('signIn', async () => {
    seat = sitDown()
    seat.answer = { scope: ['invoices:read'], resource: ['customer/acme'] }
    client = await start(row, seat)
    expect(await client.call(ACME)).toMatchObject({ isError: false })
    expect([seat.signIns, seat.pages.length]).toEqual([1, 1])
    grant = (await newestGrant()).id
  })

  step('less', async () => {
    expect(seat.pages[0]).toContain('value="invoices:refund"')
    expect(await newestGrant()).toMatchObject({
      ...{ id: grant, scopes: ['invoices:read'], elevated: {}, resources: ['customer/acme'] },
    })
  })

  step('call', async () => {
    expect(await client.call(ACME)).toEqual({ isError: false, text: expect.stringContaining('"amount":120') })
    expect(await client.call(GLOBEX)).toEqual({
      isError: true,
      text: expect.stringContaining('did not let the agent touch customer/globex'),
    })
    expect(seat.pages).toHaveLength(1)
  })

  step('stepUp', async () => {
    seat.answer = { scope: ['invoices:refund'] }
    if (row.steps.stepUp === 'renewsInstead') {
      await expect(client.call(REFUND)).rejects.toThrow('AUTHORIZED without authorization code')
    } else {
      expect(await client.call(REFUND)).toMatchObject({ isError: false })
      expect(seat.pages).toHaveLength(2)
      expect(seat.pages[1]).toContain('value="invoices:refund"')
      expect(seat.pages[1]).not.toContain('value="invoices:read"')
    }
    const asked = seat.pages.length
    expect(await client.call(ACME)).toMatchObject({ isError: false })
    expect([seat.signIns, seat.pages.length]).toEqual([1, asked])
  })

  step('refresh', async () => {
    seat.answer = {}
    const asked = seat.pages.length
    await expect.poll(() => tokensOf(grant)).not.toEqual([])
    const [token = '', ...before] = await tokensOf(grant)
    await world.api.revocations.create({ kind: 'token', id: token, waitMs: 10_000 })
    expect(await client.call(ACME)).toMatchObject({ isError: false })
    expect(seat.pages).toHaveLength(row.steps.refresh === 'asksAgain' ? asked + 1 : asked)
    await expect.poll(async () => (await tokensOf(grant)).length).toBeGreaterThan(before.length + 1)
  })

  step('revoked', async () => {
    seat.answer = { action: 'deny' }
    await world.api.revocations.create({ kind: 'grant', id: grant, waitMs: 10_000 })
    const stopped = await client.call(ACME).then(
      ({ isError }) => isError,
      () => true,
    )
    expect(stopped).toBe(true)
    expect((await newestGrant()).status).toBe('revoked')
  })
})

test('mcp-remote without a browser: its person types the code somewhere else', async () => {
  const person = personWith(createBrowser(world.url), EMAIL)
  const type = async (code: string) => {
    const { browser } = person
    const page = await browser.send(await person.look(`${world.url}/device`), 'name="code"', { code })
    await person.answer(page, { scope: ['invoices:read'] })
  }
  const client = await mcpRemoteByCode(
    { url: world.billing.url, home: await mkdtemp(join(home, 'code-')) },
    type,
  )
  expect(await client.call(ACME)).toMatchObject({ isError: false })
  expect(await newestGrant()).toMatchObject({ scopes: ['invoices:read'] })
  await client.close()
})

test('every client of the table is there, in each way in which it can be known', () => {
  expect(new Set(MATRIX.map(({ client }) => client))).toEqual(new Set(Object.keys(CLIENTS)))
})
