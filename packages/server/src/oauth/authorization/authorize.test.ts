import { createHash } from 'node:crypto'
import { request } from 'node:http'
import { expect, test } from 'vitest'
import { answerOf, RESOURCE, startWorld, type World } from '../testing/world.ts'

const REDIRECT = 'https://app.test/callback'
const people = {
  dynamicRegistration: true,
  problemPage: async ({ error }: { error: string }) => new Response(error, { headers: { 'x-page': 'ours' } }),
}

async function register(world: World, path = ''): Promise<string> {
  const response = await fetch(`${world.origin}${path}/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ redirect_uris: [REDIRECT] }),
  })
  return ((await response.json()) as { client_id: string }).client_id
}

function queryOf(clientId: string): string {
  const code_challenge = createHash('sha256').update('v'.repeat(43)).digest('base64url')
  return new URLSearchParams({
    ...{ client_id: clientId, redirect_uri: REDIRECT, response_type: 'code', resource: RESOURCE },
    ...{ code_challenge, code_challenge_method: 'S256' },
  }).toString()
}

/** Without following, and with the headers that `fetch` would not send. */
function get(url: string, headers: Record<string, string> = {}) {
  return new Promise<{
    status: number
    location: string
    cookies: string[]
    headers: NodeJS.Dict<string | string[]>
  }>((resolve, reject) =>
    request(url, { headers }, response => {
      response.resume()
      const { location = '', 'set-cookie': cookies = [] } = response.headers
      resolve({ status: response.statusCode ?? 0, location, cookies, headers: response.headers })
    })
      .on('error', reject)
      .end(),
  )
}

test('where no people sign in, there is neither authorization endpoint nor registration', async () => {
  await using world = await startWorld()
  for (const path of ['/authorize', '/register'])
    expect((await get(world.origin + path)).status, path).toBe(404)
  const metadata = await answerOf(fetch(`${world.issuer}/.well-known/oauth-authorization-server`))
  expect(metadata).not.toHaveProperty('registration_endpoint')
})

test('registration can be switched off by itself', async () => {
  await using world = await startWorld({ people: { ...people, dynamicRegistration: false } })
  expect((await get(`${world.origin}/register`)).status).toBe(404)
  const metadata = await answerOf(fetch(`${world.issuer}/.well-known/oauth-authorization-server`))
  expect(metadata).not.toHaveProperty('registration_endpoint')
  expect(metadata).toMatchObject({
    grant_types_supported: [
      ...['authorization_code', 'refresh_token', 'client_credentials'],
      'urn:ietf:params:oauth:grant-type:token-exchange',
      'urn:ietf:params:oauth:grant-type:jwt-bearer',
    ],
    code_challenge_methods_supported: ['S256'],
    authorization_response_iss_parameter_supported: true,
  })
})

test.each(['', '/auth'])('a request leads to the page for it (issuer path "%s")', async path => {
  await using world = await startWorld({ path, people })
  const clientId = await register(world, path)
  const answer = await get(`${world.issuer}/authorize?${queryOf(clientId)}`)
  expect(answer.status).toBe(303)
  expect(answer.location).toMatch(new RegExp(`^${path}/interaction/[\\w-]+$`))
  const found = answer.cookies.find(cookie => cookie.startsWith('valetkey_request='))
  expect(found).toMatch(new RegExp(`path=${answer.location};.*httponly`, 'i'))
})

test('cookies are for https alone where the issuer is, whatever a header says', async () => {
  await using world = await startWorld({ issuer: 'https://auth.test', people })
  const clientId = await register(world)
  const answer = await get(`${world.origin}/authorize?${queryOf(clientId)}`, { 'x-forwarded-proto': 'http' })
  expect(answer.cookies.length).toBeGreaterThan(0)
  for (const cookie of answer.cookies) expect(cookie).toMatch(/; secure/i)
})

test('nobody is known by a cookie of the protocol: each request begins afresh', async () => {
  await using world = await startWorld({ people })
  const clientId = await register(world)
  const url = `${world.origin}/authorize?${queryOf(clientId)}`
  const first = await get(url)
  const cookie = first.cookies.map(text => text.split(';')[0]).join('; ')
  const second = await get(url, { cookie })
  expect(second.location).not.toBe(first.location)
  expect(second.location).toContain('/interaction/')
})

test('a request that cannot go back ends on a page of ours, a program gets JSON', async () => {
  await using world = await startWorld({ people })
  const answer = await get(`${world.origin}/authorize?${queryOf('cli_unknown')}`)
  expect([answer.status, answer.headers['x-page']]).toEqual([400, 'ours'])
  expect((await get(`${world.origin}/authorize/made-up`)).headers['x-page']).toBe('ours')
  expect((await get(`${world.origin}/authorize?x=${'x'.repeat(17_000)}`)).status).toBeGreaterThanOrEqual(400)
  const posted = await fetch(`${world.origin}/authorize`, { method: 'POST', body: new URLSearchParams() })
  expect(posted.status).toBe(405)
  expect(await answerOf(world.token({ grant_type: 'authorization_code', code: 'x' }))).toMatchObject({
    error: 'invalid_request',
  })
})

test('what begins here and is never answered is bounded for each address, in the page’s words', async () => {
  await using world = await startWorld({ people })
  const clientId = await register(world)
  const url = `${world.issuer}/authorize?${queryOf(clientId)}`
  const statuses = new Map<number, number>()
  for (let i = 0; i < 125; i++) {
    const { status } = await get(url)
    statuses.set(status, (statuses.get(status) ?? 0) + 1)
  }
  expect(Object.fromEntries(statuses)).toEqual({ 303: 120, 429: 5 })
  const refused = await get(url)
  expect([refused.headers['retry-after'], refused.headers['x-page']]).toEqual(['60', 'ours'])
  const pushed = await fetch(`${world.issuer}/par`, { method: 'POST', body: new URLSearchParams() })
  expect(pushed.status).toBe(429)
  const { waiting } = await world.store.db
    .selectFrom('oauthState')
    .select(eb => eb.fn.countAll<number>().as('waiting'))
    .where('model', '=', 'Interaction')
    .executeTakeFirstOrThrow()
  expect(Number(waiting)).toBe(120)
})
