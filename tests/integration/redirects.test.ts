import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Person } from '../e2e/person.ts'
import { createBrowser } from './browser.ts'
import { type OauthStage, startStage } from './oauth-stage.ts'

let stage: OauthStage
let maya: Person

beforeAll(async () => {
  stage = await startStage()
  maya = await stage.signedUp()
})
afterAll(() => stage?.[Symbol.asyncDispose]())
// More requests come from here than one address may begin in a minute.
beforeEach(() => stage.passTime(60_000))

const WEB = 'https://app.test/oauth/callback'

/** Opens a request with a way back, good or broken, and says where the browser was sent. */
async function sentTo(clientId: string, redirect: string | undefined, more: Record<string, string> = {}) {
  const { url } = stage.ask(clientId, { redirect_uri: redirect, ...more })
  const { status, leaves } = await createBrowser(stage.url).open(url)
  return { status, leaves: leaves?.href ?? null }
}

describe('an address is the one that was registered, byte for byte', () => {
  const TRICKS = [
    ...[
      'https://app.test/oauth/callback/',
      'https://app.test/oauth/callback?x=1',
      'https://app.test/oauth/callback#x',
    ],
    ...[
      'https://app.test/oauth/./callback',
      'https://app.test/oauth/x/../callback',
      'https://app.test//oauth/callback',
    ],
    ...[
      'https://APP.test/oauth/callback',
      'https://app.test:443/oauth/callback',
      'http://app.test/oauth/callback',
    ],
    ...['https://app.test.evil.test/oauth/callback', 'https://evil.test/oauth/callback', 'https://app.test/'],
    ...['https://app.test@evil.test/oauth/callback', 'https://evil.test\\@app.test/oauth/callback'],
    ...[
      'https://app.test/oauth/callback%2f..%2fevil',
      'https://app.test/oauth/callback%00',
      ' https://app.test/oauth/callback',
    ],
    ...[
      '//app.test/oauth/callback',
      '/oauth/callback',
      'javascript:alert(1)',
      'data:text/html,x',
      'https:app.test/oauth/callback',
    ],
  ]
  test.each(TRICKS)('%s is not', async redirect => {
    const clientId = await stage.register({ redirect_uris: [WEB] })
    // Whatever else is wrong with the request: no error path is a way out.
    for (const more of [
      {},
      { scope: '\u0001' },
      { resource: '' },
      { response_type: 'token' },
      { code_challenge: 'x' },
      { prompt: 'none' },
    ])
      expect(await sentTo(clientId, redirect, more), JSON.stringify(more)).toEqual({
        status: 400,
        leaves: null,
      })
  })

  test('and none at all is no other', async () => {
    const clientId = await stage.register({ redirect_uris: [WEB] })
    expect(await sentTo(clientId, undefined)).toEqual({ status: 400, leaves: null })
  })

  test('nor may one client use the address of another', async () => {
    const [mine] = [
      await stage.register({ redirect_uris: [WEB] }),
      await stage.register({ redirect_uris: ['https://b.test/cb'] }),
    ]
    expect(await sentTo(mine, 'https://b.test/cb')).toEqual({ status: 400, leaves: null })
  })

  test('one with parameters keeps them', async () => {
    const redirect = `${WEB}?tenant=a%20b`
    const asked = stage.ask(await stage.register({ redirect_uris: [redirect] }), { redirect_uri: redirect })
    const back = await maya.decide(asked.url)
    expect(back.searchParams.get('tenant')).toBe('a b')
    expect(await stage.redeem(asked, back)).toMatchObject({ status: 200 })
  })
})

describe('a program on this computer', () => {
  test.each([
    ['http://127.0.0.1/callback', 'http://127.0.0.1:53682/callback'],
    ['http://localhost/callback', 'http://localhost:1024/callback'],
    ['http://127.0.0.1:8080/callback', 'http://127.0.0.1:9090/callback'],
    ['http://[::1]/callback', 'http://[::1]:5000/callback'],
  ])('that registered %s may come back to %s (RFC 8252 §7.3)', async (registered, redirect) => {
    const asked = stage.ask(await stage.register({ redirect_uris: [registered] }), { redirect_uri: redirect })
    const back = await maya.decide(asked.url)
    expect(back.href.startsWith(`${redirect}?`)).toBe(true)
    expect(await stage.redeem(asked, back)).toMatchObject({ status: 200 })
  })

  test.each([
    ['http://127.0.0.1/callback', 'http://localhost:5000/callback'],
    ['http://127.0.0.1/callback', 'http://127.0.0.1:5000/other'],
    ['http://127.0.0.1/callback', 'http://127.0.0.2:5000/callback'],
    ['http://127.0.0.1/callback', 'http://127.0.0.1:5000/callback?x=1'],
    ['http://127.0.0.1/callback', 'http://127.0.0.1:5000@evil.test/callback'],
    ['http://127.0.0.1/callback', 'http://x@127.0.0.1:5000/callback'],
    ['http://127.0.0.1/callback', 'http://127.0.0.1.evil.test:5000/callback'],
    ['http://127.0.0.1/callback', 'http://2130706433:5000/callback'],
    ['http://127.0.0.1/callback', 'https://127.0.0.1:5000/callback'],
    ['https://app.test/callback', 'https://app.test:5000/callback'],
  ])('that registered %s may not come back to %s', async (registered, redirect) => {
    const clientId = await stage.register({ redirect_uris: [registered] })
    expect(await sentTo(clientId, redirect)).toEqual({ status: 400, leaves: null })
  })

  test.each([
    'cursor://anysphere.cursor-deeplink/mcp/auth',
    'com.example.app:/oauth2redirect',
    'vscode://publisher.extension/auth',
  ])('may come back by a scheme of its own: %s', async redirect => {
    const clientId = await stage.register({ redirect_uris: [redirect] })
    const asked = stage.ask(clientId, { redirect_uri: redirect })
    const page = await maya.look(asked.url)
    const { protocol } = new URL(redirect)
    expect(page.headers.get('content-security-policy')).toContain(`form-action 'self' ${protocol};`)
    const back = (await maya.answer(page)).leaves
    expect(back?.href.startsWith(redirect)).toBe(true)
    expect(await stage.redeem(asked, back as URL)).toMatchObject({ status: 200 })
    expect(await sentTo(clientId, `${protocol}//elsewhere`)).toEqual({ status: 400, leaves: null })
  })
})

test('every error that goes back names the issuer and the state', async () => {
  const clientId = await stage.register({ redirect_uris: [WEB] })
  const wrong: [string, Record<string, string>][] = [
    ['invalid_request', { code_challenge: 'x' }],
    ['invalid_request', { code_challenge_method: 'plain' }],
    ['invalid_target', { resource: 'https://elsewhere.test/mcp' }],
    ['unsupported_response_mode', { response_mode: 'form_post' }],
    ['unsupported_response_type', { response_type: 'id_token' }],
    ['invalid_request', { prompt: 'dance' }],
    ['request_not_supported', { request: 'eyJhbGciOiJub25lIn0.e30.' }],
    ['registration_not_supported', { registration: '{}' }],
    ['invalid_request', { claims_locales: 'de' }],
  ]
  for (const [error, more] of wrong) {
    const { leaves } = await sentTo(clientId, WEB, more)
    const url = new URL(leaves ?? '')
    const answer = new URLSearchParams(url.search || url.hash.slice(1))
    expect(Object.fromEntries(answer), JSON.stringify(more)).toMatchObject({
      error,
      iss: stage.url,
      state: 's',
    })
    expect(`${url.origin}${url.pathname}`).toBe(WEB)
  }
  const page = await maya.look(stage.ask(clientId, { redirect_uri: WEB }).url)
  const { leaves } = await maya.answer(page, { action: 'deny' })
  expect(Object.fromEntries(leaves?.searchParams ?? [])).toMatchObject({
    ...{ error: 'access_denied', iss: stage.url, state: 's' },
  })
})
