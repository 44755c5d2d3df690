import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Person } from '../e2e/person.ts'
import { type OauthStage, REDIRECT, RESOURCE, startStage } from './oauth-stage.ts'

let stage: OauthStage
let maya: Person

beforeAll(async () => {
  stage = await startStage()
  maya = await stage.signedUp()
})
afterAll(() => stage?.[Symbol.asyncDispose]())

/** Where a browser ends up: at the client, with what it was told; or on a page. */
async function openedBy(url: URL) {
  const shown = await maya.look(url)
  return {
    status: shown.status,
    page: shown.leaves === null,
    ...Object.fromEntries(shown.leaves?.searchParams ?? []),
  }
}

test('a request that was pushed is asked as it was pushed, whatever the address says beside it', async () => {
  const asked = stage.ask(await stage.register(), { scope: 'invoices:read offline_access' })
  const pushed = await stage.push(asked)
  expect(pushed).toMatchObject({ status: 201, expires_in: 60 })
  expect(pushed['request_uri']).toMatch(/^urn:ietf:params:oauth:request_uri:\S{20,}$/)
  for (const [name, value] of Object.entries({
    scope: 'invoices:refund',
    state: 'forged',
    redirect_uri: 'https://evil.test/',
  }))
    pushed.url.searchParams.set(name, value)
  const back = await maya.decide(pushed.url)
  expect(back.href).toMatch(new RegExp(`^${REDIRECT}\\?`))
  expect(Object.fromEntries(back.searchParams)).toMatchObject({ state: 's', iss: stage.url })
  expect(await stage.redeem(asked, back)).toMatchObject({
    ...{ status: 200, scope: 'invoices:read', refresh_token: expect.any(String) },
  })
})

test('what a request leaves out is filled in when it is pushed, too', async () => {
  const asked = stage.ask(await stage.register())
  const back = await maya.decide((await stage.push(asked)).url, { scope: ['invoices:read', 'tickets:read'] })
  expect(await stage.redeem(asked, back)).toMatchObject({ scope: 'invoices:read tickets:read' })
})

test('it is good once, even for a browser that began with it earlier and ends later', async () => {
  const asked = stage.ask(await stage.register())
  const { url } = await stage.push(asked)
  const slow = await maya.look(url)
  const back = await maya.decide(url)
  expect(back.searchParams.get('code')).toBeTruthy()
  expect(await openedBy(url)).toEqual({ status: 400, page: true })
  stage.passTime(61_000)
  const late = await maya.answer(slow)
  expect(late.leaves?.searchParams.get('code') ?? null).toBeNull()
})

test('it is good for a minute, and for its client', async () => {
  const [mine, other] = [await stage.register(), await stage.register()]
  const { url } = await stage.push(stage.ask(mine))
  url.searchParams.set('client_id', other)
  url.searchParams.set('redirect_uri', REDIRECT)
  expect(await openedBy(url)).not.toHaveProperty('code')
  expect((await maya.look(url)).text).not.toContain('value="allow"')
  url.searchParams.set('client_id', mine)
  url.searchParams.set('request_uri', `${url.searchParams.get('request_uri')}x`)
  expect(await openedBy(url)).toMatchObject({ page: false, error: 'invalid_request_uri', iss: stage.url })
})

test('a client with a secret pushes by it, and nobody pushes for it', async () => {
  const { id } = await stage.api.agents.create({
    ...{ name: 'desk-bot', owner: 'maya@northwind.test', kind: 'user_authorized', ceiling: ['invoices:*'] },
  })
  const { secret } = await stage.api.credentials.create({ agent: id, kind: 'secret' })
  const asked = stage.ask(id)
  const proof = { client_secret: secret ?? '' }
  expect(await stage.push(asked, proof)).toMatchObject({ status: 401, error: 'invalid_client' })
  await stage.api.clients.register({ agent: id, redirectUris: [REDIRECT], mustPush: true })
  expect(await stage.push(asked)).toMatchObject({ status: 401, error: 'invalid_client' })
  expect(await stage.push(asked, { client_secret: 'vks_wrong' })).toMatchObject({ status: 401 })
  expect(await openedBy(asked.url)).toMatchObject({
    ...{ page: false, error: 'invalid_request', iss: stage.url, state: 's' },
  })
  const back = await maya.decide((await stage.push(asked, proof)).url)
  expect(await stage.redeem(asked, back, proof)).toMatchObject({ status: 200 })
})

test.each([
  ['another way back', { redirect_uri: 'https://evil.test/cb' }, 'invalid_request'],
  ['no challenge', { code_challenge: undefined, code_challenge_method: undefined }, 'invalid_request'],
  ['a plain challenge', { code_challenge_method: 'plain' }, 'invalid_request'],
  ['a request within', { request_uri: 'urn:ietf:params:oauth:request_uri:x' }, 'request_uri_not_supported'],
  ['a request object', { request: 'eyJhbGciOiJub25lIn0.e30.' }, 'request_not_supported'],
  ['no server', { resource: undefined }, 'invalid_target'],
  ['an unknown server', { resource: `${RESOURCE}/other` }, 'invalid_target'],
  ['an answer by script', { response_mode: 'form_post' }, 'unsupported_response_mode'],
])('%s is refused when it is pushed', async (_what, change, error) => {
  const asked = stage.ask(await stage.register(), change)
  expect(await stage.push(asked)).toMatchObject({ status: 400, error })
})

test('the endpoint takes forms by POST, up to a limit', async () => {
  const post = (init: RequestInit) => fetch(`${stage.url}/par`, { method: 'POST', ...init })
  expect((await post({ method: 'GET' })).status).toBe(405)
  expect((await post({ body: '{}', headers: { 'content-type': 'application/json' } })).status).toBe(415)
  expect((await post({ body: new URLSearchParams({ state: 'x'.repeat(40_000) }) })).status).toBe(413)
})

test('a client that registers itself may bind itself to pushing', async () => {
  const clientId = await stage.register({ require_pushed_authorization_requests: true })
  const asked = stage.ask(clientId)
  expect(await openedBy(asked.url)).toMatchObject({ error: 'invalid_request', page: false })
  const back = await maya.decide((await stage.push(asked)).url)
  expect(await stage.redeem(asked, back)).toMatchObject({ status: 200 })
})
