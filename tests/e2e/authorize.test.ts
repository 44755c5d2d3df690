import { setTimeout as delay } from 'node:timers/promises'
import { decodeJwt } from 'jose'
import * as oauth from 'oauth4webapi'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createBrowser } from '../integration/browser.ts'
import { connectForPeople, Keeper, type SdkVersion } from './clients/for-people.ts'
import { type Answer, freeRedirect, invited, type Person, personWith } from './person.ts'
import { say } from './say.ts'
import { startWorld, type World } from './world.ts'

const ACME = { name: 'get_invoice', arguments: { customer: 'acme', id: 'INV-1042' } }
const GLOBEX = { name: 'get_invoice', arguments: { customer: 'globex', id: 'INV-2001' } }
const REFUND = { name: 'refund_invoice', arguments: { customer: 'acme', id: 'INV-1042', amount: 10 } }
const INSECURE = { [oauth.allowInsecureRequests]: true }

let world: World
let maya: Person

beforeAll(async () => {
  world = await startWorld()
  await world.api.assignments.create({ principal: 'user:maya@northwind.test', role: 'billing-analyst' })
  maya = await invited(world, 'maya@northwind.test')
}, 120_000)

afterAll(() => world?.[Symbol.asyncDispose]())

async function grants() {
  const { items } = await world.api.grants.list({ person: 'maya@northwind.test', limit: 200 })
  return items.sort((a, b) => (a.id < b.id ? -1 : 1))
}

/** A client whose person answers each page in this way. */
function connect(version: SdkVersion, answer: Answer, keeper: Keeper, person = maya) {
  const decide = (url: URL) => person.decide(url, answer)
  return connectForPeople(version, { url: world.billing.url, keeper, decide })
}

describe.each(['v1', 'v2'] as const)('SDK %s, unmodified', version => {
  test('walks from 401 to a call, with less than it asked for, until the grant is revoked', async () => {
    const keeper = new Keeper(await freeRedirect())
    const answer = { scope: ['invoices:read'], resource: ['customer/acme'] }
    const client = await connect(version, answer, keeper)
    expect(keeper.url?.searchParams.get('resource')).toBe(world.billing.url)
    expect(decodeJwt(keeper.held?.access_token ?? '')).toMatchObject({
      aud: world.billing.url,
      scope: 'invoices:read',
      sub: expect.stringMatching(/^usr_/),
      gid: expect.stringMatching(/^gnt_/),
    })
    expect(await client.call(ACME)).toMatchObject({
      isError: false,
      text: expect.stringContaining('INV-1042'),
    })
    expect(await client.call(GLOBEX)).toMatchObject({ isError: true })
    const grant = (await grants()).at(-1)
    expect(grant).toMatchObject({ scopes: ['invoices:read'], resources: ['customer/acme'], status: 'live' })
    const page = keeper.url
    await world.api.grants.revoke({ id: grant?.id ?? '' })
    // Then it has to ask the person again.
    await expect.poll(() => client.call(ACME).then(() => keeper.url !== page), { timeout: 10_000 }).toBe(true)
    await client.close().catch(() => undefined)
  })
})

/** A client that checks everything, as its documentation shows it. */
async function strictClient(scope: string, registered?: { client_id: string; redirect: string }) {
  const redirect = registered?.redirect ?? (await freeRedirect())
  const issuer = new URL(world.url)
  const as = await oauth.processDiscoveryResponse(
    issuer,
    await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...INSECURE }),
  )
  const client: oauth.Client =
    registered ??
    (await oauth.processDynamicClientRegistrationResponse(
      await oauth.dynamicClientRegistrationRequest(
        as,
        { client_name: 'Strict', redirect_uris: [redirect], scope, token_endpoint_auth_method: 'none' },
        INSECURE,
      ),
    ))
  const verifier = oauth.generateRandomCodeVerifier()
  const url = new URL(as.authorization_endpoint ?? '')
  const query = {
    ...{ client_id: client.client_id, redirect_uri: redirect, response_type: 'code', scope, state: 'abc' },
    ...{ code_challenge: await oauth.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256' },
    resource: world.billing.url,
  }
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value)
  return { as, client, redirect, verifier, url }
}

type Strict = Awaited<ReturnType<typeof strictClient>>
const RESOURCE = () => ({ additionalParameters: { resource: world.billing.url }, ...INSECURE })

async function exchange({ as, client, redirect, verifier }: Strict, back: URL) {
  const params = oauth.validateAuthResponse(as, client, back, 'abc')
  const response = await oauth.authorizationCodeGrantRequest(
    as,
    client,
    oauth.None(),
    params,
    redirect,
    verifier,
    RESOURCE(),
  )
  return oauth.processAuthorizationCodeResponse(as, client, response)
}

/** A token request as it is, and what it was answered. */
async function token(form: Record<string, string>) {
  const response = await fetch(`${world.url}/token`, { method: 'POST', body: new URLSearchParams(form) })
  const body = (await response.json()) as Record<string, string>
  return { status: response.status, ...body } as Record<string, string> & { status: number }
}

const codeForm = (strict: Strict, back: URL) => ({
  grant_type: 'authorization_code',
  client_id: strict.client.client_id,
  code: back.searchParams.get('code') ?? '',
  redirect_uri: strict.redirect,
  code_verifier: strict.verifier,
  resource: world.billing.url,
})

test('oauth4webapi runs the flow strictly, renews, and takes back', async () => {
  const strict = await strictClient('invoices:read invoices:refund offline_access')
  const answer = await exchange(strict, await maya.decide(strict.url, { scope: ['invoices:read'] }))
  expect(answer).toMatchObject({ scope: 'invoices:read', expires_in: 300, token_type: 'bearer' })
  const { as, client } = strict
  const renewed = await oauth.processRefreshTokenResponse(
    as,
    client,
    await oauth.refreshTokenGrantRequest(as, client, oauth.None(), answer.refresh_token ?? '', RESOURCE()),
  )
  expect(renewed.refresh_token).not.toBe(answer.refresh_token)
  await oauth.processRevocationResponse(
    await oauth.revocationRequest(as, client, oauth.None(), renewed.refresh_token ?? '', INSECURE),
  )
  expect((await grants()).at(-1)).toMatchObject({ status: 'revoked' })
  const form = { grant_type: 'refresh_token', client_id: client.client_id }
  expect(await token({ ...form, refresh_token: renewed.refresh_token ?? '' })).toMatchObject({
    error: 'invalid_grant',
  })
})

test('without offline_access there is no refresh token', async () => {
  const strict = await strictClient('invoices:read')
  expect(await exchange(strict, await maya.decide(strict.url))).not.toHaveProperty('refresh_token')
})

test('a no is access_denied, with the issuer in it', async () => {
  const strict = await strictClient('invoices:read')
  const back = await maya.decide(strict.url, { action: 'deny' })
  expect(Object.fromEntries(back.searchParams)).toMatchObject({
    error: 'access_denied',
    iss: world.url,
    state: 'abc',
  })
  expect(() => oauth.validateAuthResponse(strict.as, strict.client, back, 'abc')).toThrow(
    oauth.AuthorizationResponseError,
  )
})

test('the answer of one authority is not taken for that of another (mix-up)', async () => {
  const strict = await strictClient('invoices:read')
  const back = await maya.decide(strict.url)
  const other = { ...strict.as, issuer: 'https://other.test' }
  expect(() => oauth.validateAuthResponse(other, strict.client, back, 'abc')).toThrow(/iss/)
})

test('the page: who, what, with which risk; small, in nobody’s frame, and looking changes nothing', async () => {
  const strict = await strictClient('invoices:read invoices:refund')
  const before = (await grants()).length
  const page = await maya.look(strict.url)
  for (const text of [
    'Maya (maya@northwind.test), Northwind',
    '“Strict”',
    'a program on this device',
    'customer/acme',
  ])
    expect(page.text).toContain(text)
  expect(page.text).toMatch(/value="invoices:read" checked/)
  expect(page.text).not.toMatch(/value="invoices:refund" checked/)
  expect(page.text).not.toContain('<script')
  expect(Buffer.byteLength(page.text)).toBeLessThan(10_000)
  const origin = new URL(strict.redirect).origin
  expect(page.headers.get('content-security-policy')).toContain(`form-action 'self' ${origin};`)
  const [again, third] = await Promise.all([maya.browser.open(page.url), maya.browser.open(page.url)])
  expect([again.status, third.status, (await grants()).length]).toEqual([200, 200, before])
  expect(await maya.answer(page, { scope: [] })).toMatchObject({ status: 400 })
  expect(await maya.answer(page, { scope: ['files:write'] })).toMatchObject({ status: 400 })
  expect(await maya.answer(page, { resource: ['customer/elsewhere'] })).toMatchObject({ status: 400 })
  expect((await grants()).length).toBe(before)
})

test('names of clients are text, whatever they hold', async () => {
  const redirect = await freeRedirect()
  const response = await fetch(`${world.url}/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ client_name: '<img src=x onerror=alert(1)>', redirect_uris: [redirect] }),
  })
  const { client_id } = (await response.json()) as { client_id: string }
  const strict = await strictClient('invoices:read', { client_id, redirect })
  const page = await maya.look(strict.url)
  expect(page.text).toContain('&lt;img')
  expect(page.text).not.toContain('<img')
})

test('a code that comes twice ends what it began', async () => {
  const strict = await strictClient('invoices:read offline_access')
  const back = await maya.decide(strict.url)
  const first = await token(codeForm(strict, back))
  expect(first.status).toBe(200)
  expect(await token(codeForm(strict, back))).toMatchObject({ status: 400, error: 'invalid_grant' })
  expect((await grants()).at(-1)).toMatchObject({ status: 'revoked' })
  const form = { grant_type: 'refresh_token', client_id: strict.client.client_id }
  expect(await token({ ...form, refresh_token: first['refresh_token'] ?? '' })).toMatchObject({
    error: 'invalid_grant',
  })
})

test('of eight that redeem a code at once, one gets a token', async () => {
  const strict = await strictClient('invoices:read')
  const back = await maya.decide(strict.url)
  const answers = await Promise.all(Array.from({ length: 8 }, () => token(codeForm(strict, back))))
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
})

test.each([
  ['another verifier', { code_verifier: 'x'.repeat(43) }],
  ['no verifier (downgrade)', { code_verifier: '' }],
  ['another address', { redirect_uri: 'http://127.0.0.1:1/callback' }],
  ['another server', { resource: 'https://elsewhere.test/mcp' }],
])('a code is refused with %s', async (_what, change) => {
  const strict = await strictClient('invoices:read')
  const back = await maya.decide(strict.url)
  expect(await token({ ...codeForm(strict, back), ...change })).toMatchObject({ status: 400 })
})

test('a code of one client is refused from another', async () => {
  const [mine, other] = [await strictClient('invoices:read'), await strictClient('invoices:read')]
  const back = await maya.decide(mine.url)
  await exchange(other, await maya.decide(other.url))
  const stolen = { ...codeForm(mine, back), client_id: other.client.client_id }
  expect(await token(stolen)).toMatchObject({ error: 'invalid_grant' })
  expect(await token(codeForm(mine, back))).toMatchObject({ status: 200 })
})

test.each([
  ['no challenge', { code_challenge: '' }, 'invalid_request'],
  ['a plain challenge', { code_challenge_method: 'plain' }, 'invalid_request'],
  ['no server', { resource: '' }, 'invalid_target'],
  ['an unknown server', { resource: 'https://elsewhere.test/mcp' }, 'invalid_target'],
  ['an implicit answer', { response_type: 'token' }, 'unsupported_response_type'],
  ['an answer by script', { response_mode: 'form_post' }, 'unsupported_response_mode'],
  ['no page', { prompt: 'none' }, 'login_required|consent_required|interaction_required'],
])('a request with %s goes back to the client as an error, with the issuer', async (_what, change, error) => {
  const strict = await strictClient('invoices:read')
  for (const [name, value] of Object.entries(change))
    value === '' ? strict.url.searchParams.delete(name) : strict.url.searchParams.set(name, value)
  const { leaves } = await maya.browser.open(strict.url)
  // What asks for a token in the address is answered where it looks.
  const answer = new URLSearchParams(leaves?.search || leaves?.hash.slice(1))
  expect(answer.get('error')).toMatch(new RegExp(`^(${error})$`))
  expect(answer.get('iss')).toBe(world.url)
})

test.each([
  ['another host', 'https://evil.test/callback'],
  ['another path', 'http://127.0.0.1:5000/other'],
  ['a scheme that runs', 'javascript:alert(1)'],
  ['nothing', ''],
])('a request with %s as its way back ends on our own page', async (_what, redirect) => {
  const strict = await strictClient('invoices:read')
  strict.url.searchParams.set('redirect_uri', redirect)
  const page = await maya.browser.open(strict.url)
  expect([page.status, page.leaves]).toEqual([400, null])
  expect(page.headers.get('content-type')).toContain('text/html')
})

test('a program on this computer may come back on any port, and nowhere else', async () => {
  const strict = await strictClient('invoices:read')
  const path = new URL(strict.redirect).pathname
  strict.redirect = `http://127.0.0.1:1${path}`
  strict.url.searchParams.set('redirect_uri', strict.redirect)
  const back = await maya.decide(strict.url)
  expect(back.origin).toBe('http://127.0.0.1:1')
  expect(await token(codeForm(strict, back))).toMatchObject({ status: 200 })
})

test('a form is taken once, from the browser that it was made for', async () => {
  const strict = await strictClient('invoices:read')
  const page = await maya.look(strict.url)
  const fields = maya.browser.fieldsOf(page)
  fields.delete('form')
  fields.set('action', 'allow')
  expect(await maya.browser.post(page.url, fields)).toMatchObject({ status: 403 })
  const jon = await invited(world, 'jon@northwind.test')
  await jon.browser.open('/sign-in')
  expect((await jon.browser.post(page.url, maya.browser.fieldsOf(page))).status).toBe(400)
  const before = (await grants()).length
  const both = await Promise.all([maya.answer(page), maya.answer(page)])
  expect(both.some(({ leaves }) => leaves !== null)).toBe(true)
  expect((await grants()).length).toBe(before + 1)
  expect(await maya.answer(page)).toMatchObject({ leaves: null, status: 400 })
})

test('a client may want the person to sign in anew', async () => {
  const strict = await strictClient('invoices:read')
  strict.url.searchParams.set('prompt', 'login')
  const page = await maya.browser.open(strict.url)
  expect(page.text).toContain('name="password"')
  const back = await maya.decide(page.url)
  expect(await token(codeForm(strict, back))).toMatchObject({ status: 200 })
})

test('who signs out has signed out of requests too', async () => {
  const browser = createBrowser(world.url)
  const person = personWith(browser, 'maya@northwind.test')
  const first = await strictClient('invoices:read')
  const page = await person.look(first.url)
  const fields = new URLSearchParams({ action: 'sign-out', form: browser.fieldsOf(page).get('form') ?? '' })
  const after = await browser.post(page.url, fields)
  expect(after.text).toContain('name="password"')
  const second = await strictClient('invoices:read')
  expect((await browser.open(second.url)).text).toContain('name="password"')
})

test('a refresh token is refused changed, from another client, for another server, and asks for no more', async () => {
  const strict = await strictClient('invoices:read invoices:refund offline_access')
  const first = await token(codeForm(strict, await maya.decide(strict.url, { scope: ['invoices:read'] })))
  const other = await strictClient('invoices:read')
  await exchange(other, await maya.decide(other.url))
  const refresh_token = first['refresh_token'] ?? ''
  const form = { grant_type: 'refresh_token', client_id: strict.client.client_id, refresh_token }
  const raised = refresh_token.replace(/\.1\./, '.2.')
  expect(await token({ ...form, refresh_token: raised })).toMatchObject({ error: 'invalid_grant' })
  expect(await token({ ...form, client_id: other.client.client_id })).toMatchObject({
    error: 'invalid_grant',
  })
  expect(await token({ ...form, resource: 'https://elsewhere.test' })).toMatchObject({
    error: 'invalid_target',
  })
  const renewed = await token({ ...form, scope: 'invoices:read invoices:refund' })
  expect(renewed).toMatchObject({ status: 200, scope: 'invoices:read' })
})

test('what the person loses, the agent loses: refused at the next renewal, and when she is suspended or the grant ends', async () => {
  const lea = await world.api.people.create({ email: 'lea@northwind.test', name: 'Lea' })
  const role = await world.api.assignments.create({ principal: lea.id, role: 'billing-analyst' })
  const person = await invited(world, 'lea@northwind.test')
  const strict = await strictClient('invoices:read offline_access')
  let last = await token(codeForm(strict, await person.decide(strict.url)))
  const renew = async () => {
    const form = { grant_type: 'refresh_token', client_id: strict.client.client_id }
    const answer = await token({ ...form, refresh_token: last['refresh_token'] ?? '' })
    if (answer.status === 200) last = answer
    return answer.status
  }
  expect(await renew()).toBe(200)
  await world.api.assignments.remove({ id: role.id })
  expect(await renew()).toBe(400)
  await world.api.assignments.create({ principal: lea.id, role: 'support-agent' })
  expect(await renew()).toBe(200)
  await world.api.people.update({ id: lea.id, status: 'suspended' })
  // She owns the agent too, which answers to nobody now.
  expect(await renew()).toBe(401)
})

test('a person gives only what she holds today', async () => {
  const kim = await world.api.people.create({ email: 'kim@northwind.test', name: 'Kim' })
  await world.api.assignments.create({ principal: kim.id, role: 'support-agent' })
  const person = await invited(world, 'kim@northwind.test')
  const strict = await strictClient('invoices:read invoices:refund')
  const page = await person.look(strict.url)
  expect(page.text).not.toContain('invoices:refund')
  const answer = await token(
    codeForm(
      strict,
      (await person.answer(page, { scope: ['invoices:read', 'invoices:refund'] })).leaves as URL,
    ),
  )
  expect(answer).toMatchObject({ scope: 'invoices:read' })
  const nothing = await strictClient('files:write')
  expect((await person.look(nothing.url)).status).toBe(403)
})

test('more than was consented to is refused at the tool', async () => {
  const keeper = new Keeper(await freeRedirect())
  const client = await connect('v2', { scope: ['invoices:read'] }, keeper)
  expect(await client.call(ACME)).toMatchObject({ isError: false })
  await expect(
    Promise.race([client.call(REFUND), delay(10_000, { isError: false })]).then(
      ({ isError }) => isError,
      () => true,
    ),
  ).resolves.toBe(true)
  await client.close().catch(() => undefined)
})

test('a role that the person loses is lost to her agent at the next call', async () => {
  const nia = await world.api.people.create({ email: 'nia@northwind.test', name: 'Nia' })
  const role = await world.api.assignments.create({ principal: nia.id, role: 'support-agent' })
  const client = await connect(
    'v2',
    {},
    new Keeper(await freeRedirect()),
    await invited(world, 'nia@northwind.test'),
  )
  expect(await client.call(ACME)).toMatchObject({ isError: false })
  const acme = { tool: ACME.name, verdict: 'permit' as const, person: nia.id }
  expect(await world.calls(acme)).toMatchObject([{ person: nia.id, grant: expect.stringMatching(/^gnt_/) }])
  await world.api.assignments.remove({ id: role.id })
  await expect.poll(async () => (await client.call(ACME)).isError, { timeout: 10_000 }).toBe(true)
  await client.close()
})

test('registration takes what MCP clients send, and no way back that runs or leaks', async () => {
  const register = async (body: object) => {
    const init = {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    }
    const response = await fetch(`${world.url}/register`, init)
    return { status: response.status, ...((await response.json()) as Record<string, unknown>) }
  }
  expect(
    await register({
      redirect_uris: ['cursor://anysphere.cursor-mcp/oauth/callback'],
      scope: 'invoices:read x:y',
    }),
  ).toMatchObject({
    status: 201,
    application_type: 'native',
    token_endpoint_auth_method: 'none',
  })
  expect(
    await register({
      redirect_uris: ['https://app.test/cb'],
      token_endpoint_auth_method: 'client_secret_post',
    }),
  ).toMatchObject({
    status: 201,
    token_endpoint_auth_method: 'none',
  })
  for (const uri of [
    'javascript:alert(1)',
    'http://evil.test/cb',
    'https://a.test/cb#x',
    'https://*.test/cb',
    'data:text/html,x',
    'not a uri',
  ])
    expect(await register({ redirect_uris: [uri] }), uri).toMatchObject({
      status: 400,
      error: 'invalid_redirect_uri',
    })
  expect(await register({})).toMatchObject({ status: 400, error: 'invalid_redirect_uri' })
})

test('details in a token bind every call, and what a list shows', async () => {
  const strict = await strictClient('invoices:read invoices:refund')
  const details = [
    { type: 'mcp_tool', identifier: 'get_invoice' },
    { type: 'resource', identifier: 'customer/acme' },
  ]
  strict.url.searchParams.set('authorization_details', JSON.stringify(details))
  const { access_token } = await token(codeForm(strict, await maya.decide(strict.url)))
  const options = { token: access_token ?? '' }
  const seen = async (call: object) => {
    const { body } = await say(world.billing.url, 'tools/call', { ...call }, options)
    return body.result?._meta?.['valetkey/denied']?.reason ?? (body.result ? 'ok' : 'error')
  }
  expect(await seen(ACME)).toBe('ok')
  expect(await seen(GLOBEX)).toBe('grant_resource')
  expect(await seen({ name: 'list_invoices', arguments: { customer: 'acme' } })).toBe('grant_tool')
  const list = await say(world.billing.url, 'tools/list', {}, options)
  expect(list.body.result.tools.map(({ name }: { name: string }) => name)).toEqual(['get_invoice'])
})
