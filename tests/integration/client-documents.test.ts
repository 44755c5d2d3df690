import { decodeJwt, exportJWK, generateKeyPair, SignJWT } from 'jose'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Site, sendJson, startSite } from '../../packages/server/src/oauth/testing/loopback-site.ts'
import { PASSWORD, type Person } from '../e2e/person.ts'
import { createBrowser } from './browser.ts'
import { type OauthStage, startStage } from './oauth-stage.ts'

/** Clients that are known by the address of a document about them. */

let site: Site
let stage: OauthStage
let maya: Person
let count = 0
/** What the site answers, by path. */
const served = new Map<string, { body: unknown; headers?: Record<string, string>; status?: number }>()

beforeAll(async () => {
  site = await startSite((request, response) => {
    const { body, headers = {}, status = 200 } = served.get(request.url ?? '') ?? { body: '', status: 404 }
    if (status === 200) sendJson(response, body, headers)
    else response.writeHead(status, headers).end()
  })
  stage = await startStage({ clientDocumentPrivateHosts: site.host })
  maya = await stage.signedUp()
})
afterAll(async () => {
  await stage?.[Symbol.asyncDispose]()
  await site?.[Symbol.asyncDispose]()
})
beforeEach(() => void site.paths.splice(0))

/** Puts a document up, in the shape that Claude Code has, and gives its address. */
function publish(more: object = {}, headers: Record<string, string> = {}): string {
  const path = `/client-${++count}.json`
  const id = `${site.url}${path}`
  const document = {
    ...{ client_id: id, client_name: 'Claude Code', client_uri: 'https://claude.example' },
    redirect_uris: ['http://localhost/callback', 'http://127.0.0.1/callback'],
    ...{ grant_types: ['authorization_code', 'refresh_token'], response_types: ['code'] },
    ...{ token_endpoint_auth_method: 'none', ...more },
  }
  served.set(path, { body: document, headers })
  return id
}

const REDIRECT = 'http://localhost:53682/callback'
const ask = (id: string, more: Record<string, string> = {}) =>
  stage.ask(id, { redirect_uri: REDIRECT, ...more })

/** What a browser sees that comes with a request of this client. */
async function seenBy(id: string, at = stage) {
  const { status, leaves, text } = await createBrowser(at.url).open(
    at.ask(id, { redirect_uri: REDIRECT }).url,
  )
  return { status, leaves, isSignIn: text.includes('name="password"'), text }
}

test('the metadata says that such clients are taken', async () => {
  const metadata = await (await fetch(`${stage.url}/.well-known/oauth-authorization-server`)).json()
  expect(metadata).toMatchObject({ client_id_metadata_document_supported: true })
  expect(metadata).toMatchObject({ token_endpoint_auth_methods_supported: expect.arrayContaining(['none']) })
})

test('a client that nobody registered asks on a port of its own, and gets less than it asks for', async () => {
  const id = publish()
  const asked = ask(id, { scope: 'invoices:read invoices:refund offline_access' })
  const page = await maya.look(asked.url)
  expect(page.text).toContain('Claude Code')
  expect(page.text).toContain(site.host)
  const back = await maya.decide(asked.url, { scope: ['invoices:read'] })
  expect(back.href.startsWith(`${REDIRECT}?`)).toBe(true)
  const answer = await stage.redeem(asked, back)
  expect(answer).toMatchObject({ status: 200, scope: 'invoices:read' })
  expect(decodeJwt(String(answer['access_token']))).toMatchObject({ client_id: id })
  const own = String(answer['access_token'])
  // It has nothing to prove itself by, and its id is known to everybody.
  expect(await stage.send('/token/introspection', { client_id: id, token: own })).toMatchObject({
    ...{ status: 401, error: 'invalid_client' },
  })

  const form = { grant_type: 'refresh_token', client_id: id, refresh_token: String(answer['refresh_token']) }
  const renewed = await stage.send('/token', form)
  expect(renewed).toMatchObject({ status: 200 })
  const token = String(renewed['refresh_token'])
  expect(await stage.send('/token/revocation', { client_id: id, token })).toMatchObject({ status: 200 })
  expect(await stage.send('/token', { ...form, refresh_token: token })).toMatchObject({
    error: 'invalid_grant',
  })
})

test('it is an agent that its person answers for, with the document as its credential', async () => {
  const id = publish({ client_name: 'Desk Helper' })
  const asked = ask(id)
  const { access_token } = await stage.redeem(asked, await maya.decide(asked.url))
  const { agent } = decodeJwt(String(access_token))
  const found = await stage.api.agents.get({ id: String(agent) })
  expect(found).toMatchObject({
    name: expect.stringMatching(/^desk-helper-/),
    ownerEmail: 'maya@northwind.test',
  })
  const { items } = await stage.api.credentials.list({ agent: found.id })
  expect(items).toMatchObject([{ kind: 'document', clientId: id, status: 'live' }])
})

test('each organization has an agent of its own for it', async () => {
  await stage.api.organizations.create({ slug: 'contoso', name: 'Contoso' })
  await stage.api.people.create({ organization: 'contoso', email: 'jon@contoso.test', name: 'Jon' })
  const inContoso = { organization: 'contoso' }
  await stage.api.roles.create({ ...inContoso, slug: 'reader', permissions: ['invoices:read'] })
  await stage.api.assignments.create({ ...inContoso, principal: 'user:jon@contoso.test', role: 'reader' })
  const { url } = await stage.api.invitations.create({ organization: 'contoso', id: 'jon@contoso.test' })
  const jon = await stage.signedUp('jon@contoso.test', url)
  const signIn = { email: jon.email, password: PASSWORD, organization: 'contoso' }
  await jon.browser.submit(await jon.browser.open('/sign-in'), signIn)
  const id = publish()
  const claims = []
  for (const person of [maya, jon]) {
    const asked = ask(id, { scope: 'invoices:read offline_access' })
    const answer = await stage.redeem(asked, await person.decide(asked.url))
    const refresh_token = String(answer['refresh_token'])
    expect(
      await stage.send('/token', { grant_type: 'refresh_token', client_id: id, refresh_token }),
    ).toMatchObject({
      status: 200,
    })
    claims.push(decodeJwt(String(answer['access_token'])))
  }
  expect(claims[0]?.['client_id']).toBe(claims[1]?.['client_id'])
  expect(claims[0]?.['agent']).not.toBe(claims[1]?.['agent'])
  expect(claims[0]?.['org']).not.toBe(claims[1]?.['org'])
})

describe('a document is taken', () => {
  let later: OauthStage
  beforeAll(async () => {
    later = await startStage({ clientDocumentPrivateHosts: site.host })
  })
  afterAll(() => later?.[Symbol.asyncDispose]())

  test('once, for as long as it says', async () => {
    const id = publish({}, { 'cache-control': 'max-age=600' })
    await Promise.all(Array.from({ length: 5 }, () => seenBy(id, later)))
    expect(site.paths).toHaveLength(1)
    later.passTime(590_000)
    expect(await seenBy(id, later)).toMatchObject({ isSignIn: true })
    expect(site.paths).toHaveLength(1)
    later.passTime(20_000)
    await seenBy(id, later)
    expect(site.paths).toHaveLength(2)
  })

  test('for a minute at least and a day at most, whatever it says', async () => {
    for (const [cacheControl, atLeastMs, atMostMs] of [
      ['no-store', 50_000, 70_000],
      ['max-age=31536000', 86_000_000, 87_000_000],
    ] as const) {
      const id = publish({}, { 'cache-control': cacheControl })
      site.paths.splice(0)
      await seenBy(id, later)
      later.passTime(atLeastMs)
      await seenBy(id, later)
      expect(site.paths).toHaveLength(1)
      later.passTime(atMostMs - atLeastMs)
      await seenBy(id, later)
      expect(site.paths).toHaveLength(2)
    }
  })

  test('and what fails is never kept', async () => {
    const id = publish()
    const path = new URL(id).pathname
    const good = served.get(path)
    served.set(path, { body: '', status: 503 })
    expect(await seenBy(id, later)).toMatchObject({ status: 400, leaves: null, isSignIn: false })
    served.set(path, { body: { client_id: 'https://elsewhere.test/' } })
    expect(await seenBy(id, later)).toMatchObject({ status: 400 })
    if (good) served.set(path, good)
    expect(await seenBy(id, later)).toMatchObject({ isSignIn: true })
  })

  test('but not again and again from who fails: after ten times in a minute it waits', async () => {
    const id = `${site.url}/missing-${++count}`
    for (let more = 0; more < 15; more++) await seenBy(id, later)
    expect(site.paths.length).toBeLessThanOrEqual(10)
    later.passTime(61_000)
    served.set(new URL(id).pathname, {
      body: { client_id: id, client_name: 'Late', redirect_uris: ['http://localhost/callback'] },
    })
    expect(await seenBy(id, later)).toMatchObject({ isSignIn: true })
  })
})

test.each<[string, object | string]>([
  ['speaks of another client', { client_id: 'https://app.test/other.json' }],
  ['has no name', { client_name: undefined }],
  ['has a name that hides', { client_name: 'Claude\u202eedoC' }],
  ['has nowhere to return to', { redirect_uris: [] }],
  ['returns to where a browser runs it', { redirect_uris: ['javascript:alert(1)'] }],
  ['returns in clear text', { redirect_uris: ['http://app.test/callback'] }],
  ['returns to anywhere', { redirect_uris: ['https://*.app.test/callback'] }],
  ['has a secret', { client_secret: 'x', token_endpoint_auth_method: 'none' }],
  ['would prove itself by a secret', { token_endpoint_auth_method: 'client_secret_basic' }],
  ['would prove itself by keys, and has none', { token_endpoint_auth_method: 'private_key_jwt' }],
  [
    'gives its private key away',
    {
      token_endpoint_auth_method: 'private_key_jwt',
      jwks: { keys: [{ kty: 'OKP', crv: 'Ed25519', x: 'x', d: 'd' }] },
    },
  ],
  ['wants tokens in the address', { response_types: ['token'] }],
  ['is a list', '[]'],
  ['is no JSON', '{'],
  ['is null', 'null'],
])('a document that %s is refused, on a page that says what to do', async (_what, change) => {
  const id = publish(typeof change === 'string' ? {} : change)
  if (typeof change === 'string') served.set(new URL(id).pathname, { body: change })
  const seen = await seenBy(id)
  expect(seen).toMatchObject({ status: 400, leaves: null })
  expect(seen.text).toContain('that document could not be taken')
})

test('why a document was refused is on record', async () => {
  const id = publish({ client_name: undefined })
  await seenBy(id)
  const why = async () => (await stage.events('token.refused')).map(({ detail }) => detail)
  await expect
    .poll(why, { timeout: 10_000 })
    .toContainEqual(expect.objectContaining({ client: id, reason: 'document_invalid' }))
})

test('what lies behind an address in this network stays unsaid', async () => {
  const texts = []
  for (const id of [
    'https://127.0.0.1:1/x',
    'https://10.0.0.1/x',
    'https://nowhere.invalid/x',
    `${site.url}/404`,
  ]) {
    const seen = await seenBy(id)
    expect(seen).toMatchObject({ status: 400, leaves: null })
    texts.push(seen.text.replaceAll(/nonce[-=]"?[^"'; ]+/g, '').replaceAll(/req_\w+/g, ''))
  }
  expect(new Set(texts).size).toBe(1)
})

describe('a client whose document names keys', () => {
  async function keyed(more: object = {}, byUri = false) {
    const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true })
    const jwks = { keys: [{ ...(await exportJWK(publicKey)), kid: 'k1', use: 'sig', alg: 'ES256' }] }
    const keysPath = `/keys-${++count}.json`
    served.set(keysPath, { body: jwks })
    const where = byUri ? { jwks_uri: `${site.url}${keysPath}` } : { jwks }
    const id = publish({ token_endpoint_auth_method: 'private_key_jwt', ...where, ...more })
    const assert = async (claims: object = {}) => ({
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: await new SignJWT({
        iss: id,
        sub: id,
        aud: stage.url,
        jti: crypto.randomUUID(),
        ...claims,
      })
        .setProtectedHeader({ alg: 'ES256', kid: 'k1' })
        .setIssuedAt()
        .setExpirationTime('1m')
        .sign(privateKey),
    })
    return { id, assert, keysPath }
  }

  test.each([
    ['in it', false],
    ['at another address', true],
  ])('%s proves itself by them, to push and to redeem', async (_where, byUri) => {
    const { id, assert } = await keyed({}, byUri)
    const asked = ask(id, { scope: 'invoices:read offline_access' })
    const pushed = await stage.push(asked, await assert())
    expect(pushed).toMatchObject({ status: 201 })
    const back = await maya.decide(pushed.url)
    expect(await stage.redeem(asked, back)).toMatchObject({ status: 401, error: 'invalid_client' })
    const answer = await stage.redeem(asked, back, await assert())
    expect(answer).toMatchObject({ status: 200 })
    const proof = await assert()
    const form = {
      grant_type: 'refresh_token',
      client_id: id,
      refresh_token: String(answer['refresh_token']),
    }
    expect(await stage.send('/token', { ...form, ...proof })).toMatchObject({ status: 200 })
    expect(await stage.send('/token', { ...form, ...proof })).toMatchObject({ status: 401 })
    expect(await stage.send('/token', form)).toMatchObject({ status: 401 })
  })

  test('is not proven by the keys of another, nor for another authority', async () => {
    const [mine, other] = [await keyed(), await keyed()]
    const asked = ask(mine.id)
    expect(await stage.push(asked, await other.assert({ iss: mine.id, sub: mine.id }))).toMatchObject({
      status: 401,
    })
    expect(await stage.push(asked, await mine.assert({ aud: 'https://other.test' }))).toMatchObject({
      status: 401,
    })
    expect(await stage.push(asked, await mine.assert())).toMatchObject({ status: 201 })
  })

  test('whose keys cannot be had proves nothing', async () => {
    const { id, assert, keysPath } = await keyed({}, true)
    served.set(keysPath, { body: '', status: 500 })
    expect(await stage.push(ask(id), await assert())).toMatchObject({ status: 401 })
  })
})

describe('an environment says which documents it takes', () => {
  test('none', async () => {
    await using closed = await startStage({ clientDocuments: false, clientDocumentPrivateHosts: site.host })
    const { status } = await createBrowser(closed.url).open(
      closed.ask(publish(), { redirect_uri: REDIRECT }).url,
    )
    expect([status, site.paths]).toEqual([400, []])
    const metadata = await (await fetch(`${closed.url}/.well-known/oauth-authorization-server`)).json()
    expect(metadata).not.toHaveProperty('client_id_metadata_document_supported')
  })

  test('those of some hosts, their keys included', async () => {
    await using narrow = await startStage({
      clientDocumentHosts: 'claude.ai,*.vscode.dev',
      clientDocumentPrivateHosts: site.host,
    })
    const { status } = await createBrowser(narrow.url).open(
      narrow.ask(publish(), { redirect_uri: REDIRECT }).url,
    )
    expect([status, site.paths]).toEqual([400, []])
  })

  test('those that an administrator approved, where people may not take agents on themselves', async () => {
    await using strict = await startStage({
      consentMayAdoptAgents: false,
      clientDocumentPrivateHosts: site.host,
    })
    const person = await strict.signedUp()
    const id = publish({ client_name: 'Waiting' })
    const asked = strict.ask(id, { redirect_uri: REDIRECT })
    const page = await person.look(asked.url)
    expect([page.status, page.text.includes('value="allow"')]).toEqual([403, false])
    expect((await person.answer(page, { action: 'ask' })).status).toBe(202)
    const [agent] = (await strict.api.agents.list({})).items
    expect(agent).toMatchObject({ status: 'pending', ceiling: [], name: expect.stringMatching(/^waiting-/) })
    await strict.api.agents.update({ id: agent?.id ?? '', ceiling: ['invoices:read'] })
    await strict.api.agents.resume({ id: agent?.id ?? '', reason: 'looked into' })
    expect(await strict.redeem(asked, await person.decide(asked.url))).toMatchObject({
      status: 200,
      scope: 'invoices:read',
    })
  })
})
