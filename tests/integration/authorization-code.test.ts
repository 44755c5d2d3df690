import * as oauth from 'oauth4webapi'
import { afterAll, expect, test } from 'vitest'
import { openStrictStage } from './strict-client.ts'

/** The code flow as a strict client walks it, and as others try to. */

const { stage, strict, maya, grants } = await openStrictStage()
afterAll(() => stage[Symbol.asyncDispose]())

test('oauth4webapi runs the flow strictly, renews, and takes back', async () => {
  const asked = await strict.begin('invoices:read invoices:refund offline_access')
  const answer = await strict.exchange(asked, await maya.decide(asked.url, { scope: ['invoices:read'] }))
  expect(answer).toMatchObject({ scope: 'invoices:read', expires_in: 300, token_type: 'bearer' })
  const renewed = await strict.refresh(asked, answer.refresh_token ?? '')
  expect(renewed.refresh_token).not.toBe(answer.refresh_token)
  await strict.revoke(asked, renewed.refresh_token ?? '')
  expect((await grants()).at(-1)).toMatchObject({ status: 'revoked' })
  const form = { grant_type: 'refresh_token', client_id: asked.client.client_id }
  expect(await strict.token({ ...form, refresh_token: renewed.refresh_token ?? '' })).toMatchObject({
    error: 'invalid_grant',
  })
})

test('without offline_access there is no refresh token', async () => {
  const asked = await strict.begin('invoices:read')
  expect(await strict.exchange(asked, await maya.decide(asked.url))).not.toHaveProperty('refresh_token')
})

test('a no is access_denied, with the issuer in it', async () => {
  const asked = await strict.begin('invoices:read')
  const back = await maya.decide(asked.url, { action: 'deny' })
  expect(Object.fromEntries(back.searchParams)).toMatchObject({
    error: 'access_denied',
    iss: stage.url,
    state: 'abc',
  })
  expect(() => oauth.validateAuthResponse(asked.as, asked.client, back, 'abc')).toThrow(
    oauth.AuthorizationResponseError,
  )
})

test('the answer of one authority is not taken for that of another (mix-up)', async () => {
  const asked = await strict.begin('invoices:read')
  const back = await maya.decide(asked.url)
  const other = { ...asked.as, issuer: 'https://other.test' }
  expect(() => oauth.validateAuthResponse(other, asked.client, back, 'abc')).toThrow(/iss/)
})

test('a code that comes twice ends what it began', async () => {
  const asked = await strict.begin('invoices:read offline_access')
  const back = await maya.decide(asked.url)
  const first = await strict.token(strict.codeForm(asked, back))
  expect(first.status).toBe(200)
  expect(await strict.token(strict.codeForm(asked, back))).toMatchObject({
    status: 400,
    error: 'invalid_grant',
  })
  expect((await grants()).at(-1)).toMatchObject({ status: 'revoked' })
  const form = { grant_type: 'refresh_token', client_id: asked.client.client_id }
  expect(await strict.token({ ...form, refresh_token: first['refresh_token'] ?? '' })).toMatchObject({
    error: 'invalid_grant',
  })
})

test('of eight that redeem a code at once, one gets a token', async () => {
  const asked = await strict.begin('invoices:read')
  const back = await maya.decide(asked.url)
  const answers = await Promise.all(
    Array.from({ length: 8 }, () => strict.token(strict.codeForm(asked, back))),
  )
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
})

test.each([
  ['another verifier', { code_verifier: 'x'.repeat(43) }],
  ['no verifier (downgrade)', { code_verifier: '' }],
  ['another address', { redirect_uri: 'http://127.0.0.1:1/callback' }],
  ['another server', { resource: 'https://elsewhere.test/mcp' }],
])('a code is refused with %s', async (_what, change) => {
  const asked = await strict.begin('invoices:read')
  const back = await maya.decide(asked.url)
  expect(await strict.token({ ...strict.codeForm(asked, back), ...change })).toMatchObject({ status: 400 })
})

test('a code of one client is refused from another', async () => {
  const [mine, other] = [await strict.begin('invoices:read'), await strict.begin('invoices:read')]
  const back = await maya.decide(mine.url)
  await strict.exchange(other, await maya.decide(other.url))
  const stolen = { ...strict.codeForm(mine, back), client_id: other.client.client_id }
  expect(await strict.token(stolen)).toMatchObject({ error: 'invalid_grant' })
  expect(await strict.token(strict.codeForm(mine, back))).toMatchObject({ status: 200 })
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
  const asked = await strict.begin('invoices:read')
  for (const [name, value] of Object.entries(change))
    value === '' ? asked.url.searchParams.delete(name) : asked.url.searchParams.set(name, value)
  const { leaves } = await maya.browser.open(asked.url)
  // What asks for a token in the address is answered where it looks.
  const answer = new URLSearchParams(leaves?.search || leaves?.hash.slice(1))
  expect(answer.get('error')).toMatch(new RegExp(`^(${error})$`))
  expect(answer.get('iss')).toBe(stage.url)
})

test.each([
  ['another host', 'https://evil.test/callback'],
  ['another path', 'http://127.0.0.1:5000/other'],
  ['a scheme that runs', 'javascript:alert(1)'],
  ['nothing', ''],
])('a request with %s as its way back ends on our own page', async (_what, redirect) => {
  const asked = await strict.begin('invoices:read')
  asked.url.searchParams.set('redirect_uri', redirect)
  const page = await maya.browser.open(asked.url)
  expect([page.status, page.leaves]).toEqual([400, null])
  expect(page.headers.get('content-type')).toContain('text/html')
})

test('a program on this computer may come back on any port, and nowhere else', async () => {
  const asked = await strict.begin('invoices:read')
  const path = new URL(asked.redirect).pathname
  asked.redirect = `http://127.0.0.1:1${path}`
  asked.url.searchParams.set('redirect_uri', asked.redirect)
  const back = await maya.decide(asked.url)
  expect(back.origin).toBe('http://127.0.0.1:1')
  expect(await strict.token(strict.codeForm(asked, back))).toMatchObject({ status: 200 })
})

test('a refresh token is refused changed, from another client, for another server, and asks for no more', async () => {
  const asked = await strict.begin('invoices:read invoices:refund offline_access')
  const first = await strict.token(
    strict.codeForm(asked, await maya.decide(asked.url, { scope: ['invoices:read'] })),
  )
  const other = await strict.begin('invoices:read')
  await strict.exchange(other, await maya.decide(other.url))
  const refresh_token = first['refresh_token'] ?? ''
  const form = { grant_type: 'refresh_token', client_id: asked.client.client_id, refresh_token }
  const raised = refresh_token.replace(/\.1\./, '.2.')
  expect(await strict.token({ ...form, refresh_token: raised })).toMatchObject({ error: 'invalid_grant' })
  expect(await strict.token({ ...form, client_id: other.client.client_id })).toMatchObject({
    error: 'invalid_grant',
  })
  expect(await strict.token({ ...form, resource: 'https://elsewhere.test' })).toMatchObject({
    error: 'invalid_target',
  })
  const renewed = await strict.token({ ...form, scope: 'invoices:read invoices:refund' })
  expect(renewed).toMatchObject({ status: 200, scope: 'invoices:read' })
})

test('what the person loses, the agent loses: refused at the next renewal, and when she is suspended or the grant ends', async () => {
  const lea = await stage.api.people.create({ email: 'lea@northwind.test', name: 'Lea' })
  const role = await stage.api.assignments.create({ principal: lea.id, role: 'clerk' })
  const person = await stage.signedUp('lea@northwind.test')
  const asked = await strict.begin('invoices:read offline_access')
  let last = await strict.token(strict.codeForm(asked, await person.decide(asked.url)))
  const renew = async () => {
    const form = { grant_type: 'refresh_token', client_id: asked.client.client_id }
    const answer = await strict.token({ ...form, refresh_token: last['refresh_token'] ?? '' })
    if (answer.status === 200) last = answer
    return answer.status
  }
  expect(await renew()).toBe(200)
  await stage.api.assignments.remove({ id: role.id })
  expect(await renew()).toBe(400)
  await stage.api.assignments.create({ principal: lea.id, role: 'reader' })
  expect(await renew()).toBe(200)
  await stage.api.people.update({ id: lea.id, status: 'suspended' })
  // She owns the agent too, which answers to nobody now.
  expect(await renew()).toBe(401)
})

test('registration takes what MCP clients send, and no way back that runs or leaks', async () => {
  const register = async (body: object) => {
    const init = {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    }
    const response = await fetch(`${stage.url}/register`, init)
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
