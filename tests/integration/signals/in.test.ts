import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { generateKeyPair, SignJWT } from 'jose'
import { sql } from 'kysely'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { personWith } from '../../e2e/person.ts'
import { type Site, startSite, type TestClient } from '../consent-site.ts'
import { createPerson } from '../federation/hop.ts'
import { openScriptedOidc, type ScriptedOidc, unsigned } from '../federation/scripted-oidc.ts'

const CLIENT = 'valetkey'
const MAYA = 'maya@northwind.test'
const KIT = 'kit@northwind.test'
const CAEP = 'https://schemas.openid.net/secevent/caep/event-type/'

let site: Site
let partner: ScriptedOidc
let source: { id: string; path: string; audience: string }
let agents = 0

beforeAll(async () => {
  ;[site, partner] = await Promise.all([startSite(), openScriptedOidc(CLIENT)])
  const oidc = { issuer: partner.issuer, clientId: CLIENT, takesUnverifiedEmail: true }
  await site.api.identityProviders.create({ name: 'idp', oidc, revokesOnLogout: false })
  await site.api.domains.claim({ domain: 'northwind.test', provider: 'idp' })
  await site.api.domains.trust({ domain: 'northwind.test' })
  await site.api.people.create({ email: MAYA, name: 'Maya' })
  await site.api.people.create({ email: 'stranger@northwind.test', name: 'Stranger' })
  await site.api.people.create({ email: KIT, name: 'Kit' })
  for (const email of [MAYA, KIT])
    await site.api.assignments.create({ principal: `user:${email}`, role: 'desk' })
  const jwksUri = `${partner.issuer}/jwks`
  source = await site.api.signalSources.create({
    name: 'idp',
    provider: 'idp',
    issuer: partner.issuer,
    jwksUri,
  })
}, 60_000)

afterAll(async () => {
  await site?.[Symbol.asyncDispose]()
  await partner?.close()
})

/** Maya, or somebody else, signs in at the provider, in a session of this name, and lets an agent act. */
async function consents(sid: string, email = MAYA) {
  partner.say({ claims: { email, sid, sub: `sub-${email.split('@')[0]}`, auth_time: seconds() } })
  const client = await site.agent(`agent-${++agents}`, { ceiling: ['tickets:read'] })
  const person = createPerson(site.url, partner.issuer)
  const browser = person.at(site.url)
  const page = await browser.open(site.ask(client, { scope: ['tickets:read'] }))
  const shown = await person.follow(await browser.submit(page, { email, way: 'provider' }))
  expect(shown.text).toContain('act for you')
  const { leaves } = await personWith(browser, email).answer(shown, { scope: ['tickets:read'] })
  expect(await site.redeem(client, leaves ?? new URL('about:blank'))).toMatchObject({ status: 200 })
  return { client, browser }
}

const statusOf = async ({ id }: TestClient) => (await site.api.grants.list({ agent: id })).items[0]?.status
const isSignedIn = async (browser: { open(path: string): Promise<{ url: string | URL; text: string }> }) =>
  !String((await browser.open('/account')).url).includes('/sign-in')

const seconds = () => Math.floor(Date.now() / 1000)
type Claims = Record<string, unknown>

/** What the provider would say, unless the test says otherwise. */
function claimsOf({
  event = 'session-revoked',
  payload = {},
  ...more
}: Claims & { event?: string; payload?: object }) {
  return {
    ...{ iss: partner.issuer, aud: source.audience, iat: seconds(), jti: `jti-${Math.random()}` },
    sub_id: { format: 'iss_sub', iss: partner.issuer, sub: 'sub-maya' },
    events: { [CAEP + event]: { event_timestamp: seconds(), ...payload } },
    ...more,
  }
}
const sign = (claims: Claims, header: Claims = {}) =>
  partner.sign(claims, { header: { alg: 'RS256', typ: 'secevent+jwt', ...header } })

async function push(token: string, { path = source.path, type = 'application/secevent+jwt' } = {}) {
  const response = await fetch(site.url + path, {
    method: 'POST',
    headers: { 'content-type': type },
    body: token,
  })
  const said = await response.text()
  return { status: response.status, ...(said !== '' && { err: (JSON.parse(said) as { err: string }).err }) }
}
const say = async (claims: Parameters<typeof claimsOf>[0]) => push(await sign(claimsOf(claims)))

test('session-revoked of a person ends the sessions and what was consented to', async () => {
  const { client, browser } = await consents('one')
  expect(await isSignedIn(browser)).toBe(true)
  expect(await say({})).toEqual({ status: 202 })
  expect(await statusOf(client)).toBe('revoked')
  expect(await isSignedIn(browser)).toBe(false)
  await vi.waitFor(async () => {
    const { items } = await site.api.audit.changes({ type: 'signal.heard', limit: 5 })
    expect(items[0]?.detail).toMatchObject({
      event: 'session-revoked',
      outcome: 'ended',
      sessions: 1,
      grants: 1,
    })
  })
})

test('session-revoked of one session ends that one and what was consented to in it', async () => {
  const [first, second] = [await consents('two'), await consents('three')]
  const user = { format: 'email', email: MAYA }
  const sub_id = { format: 'complex', user, session: { format: 'opaque', id: 'two' } }
  expect(await say({ sub_id })).toEqual({ status: 202 })
  expect([await statusOf(first.client), await statusOf(second.client)]).toEqual(['revoked', 'live'])
  const alone = { format: 'complex', session: { format: 'opaque', id: 'three' } }
  expect(await say({ sub_id: alone })).toEqual({ status: 202 })
  expect(await statusOf(second.client)).toBe('revoked')
})

test.each([
  ['revoke', 'password', 'revoked'],
  ['update', 'fido2-platform', 'revoked'],
  ['delete', 'app', 'revoked'],
  ['create', 'fido2-roaming', 'live'],
])(
  'credential-change: %s of a %s leaves what was consented to %s',
  async (change_type, credential_type, status) => {
    const { client } = await consents(`credential-${change_type}`)
    const payload = { change_type, credential_type, reason_admin: { en: 'x' } }
    expect(await say({ event: 'credential-change', payload })).toEqual({ status: 202 })
    expect(await statusOf(client)).toBe(status)
  },
)

test.each([
  ['of another subject', { format: 'iss_sub', iss: 'PARTNER', sub: 'somebody-else' }],
  [
    'of the same subject at another issuer',
    { format: 'iss_sub', iss: 'https://other.test', sub: 'sub-maya' },
  ],
  ['of a person that the provider never let in', { format: 'email', email: 'stranger@northwind.test' }],
  ['of everybody', { format: 'complex', tenant: { format: 'opaque', id: 'all' } }],
  [
    'of a session without a name',
    { format: 'complex', user: { format: 'email', email: MAYA }, session: { format: 'opaque' } },
  ],
  ['in a format that nobody knows', { format: 'did', url: 'did:example:1' }],
  ['of nobody', { format: 'aliases', identifiers: [] }],
])('an event %s is taken and ends nothing', async (_, subject) => {
  const { client } = await consents(`quiet-${agents}`)
  const sub_id = JSON.parse(JSON.stringify(subject).replace('PARTNER', partner.issuer))
  expect(await say({ sub_id })).toEqual({ status: 202 })
  expect(await statusOf(client)).toBe('live')
})

test('events that mean nothing here are taken and end nothing', async () => {
  const { client } = await consents('unknown')
  expect(await say({ event: 'risk-level-change' })).toEqual({ status: 202 })
  const events = { 'https://schemas.openid.net/secevent/ssf/event-type/verification': { state: 'x' } }
  expect(await say({ events, sub_id: { format: 'opaque', id: 'stream' } })).toEqual({ status: 202 })
  expect(await say({ events: { 'https://example.com/made-up': {} } })).toEqual({ status: 202 })
  expect(await statusOf(client)).toBe('live')
})

test('an event that comes again, or from the past, ends nothing that began since', async () => {
  const before = await consents('before')
  const token = await sign(claimsOf({}))
  expect(await push(token)).toEqual({ status: 202 })
  expect(await statusOf(before.client)).toBe('revoked')
  const after = await consents('after')
  expect(await push(token)).toEqual({ status: 202 })
  const old = seconds() - 600
  const events = { [`${CAEP}session-revoked`]: { event_timestamp: old } }
  expect(await say({ events, iat: old })).toEqual({ status: 202 })
  expect(await say({ events: { [`${CAEP}session-revoked`]: {} }, iat: old })).toEqual({ status: 202 })
  expect(await statusOf(after.client)).toBe('live')
})

test('a session that took the place of another one, since something was changed, ends as that one would have', async () => {
  const { browser } = await consents('replaced', KIT)
  const { db } = site.authority.store
  const createdAt = new Date(Date.now() - 600_000).toISOString()
  await sql`update federated_session set created_at = ${createdAt} where sid = 'replaced'`.execute(db)
  const password = { password: 'seven blue teapots', again: 'seven blue teapots' }
  await browser.submit(await browser.open('/account/password'), password)
  expect(await isSignedIn(browser)).toBe(true)
  const events = { [`${CAEP}session-revoked`]: { event_timestamp: seconds() - 300 } }
  const sub_id = { format: 'email', email: KIT }
  expect(await say({ events, sub_id })).toEqual({ status: 202 })
  expect(await isSignedIn(browser)).toBe(false)
})

test('what is not signed by the source, for us, as one event, is refused and changes nothing', async () => {
  const { client } = await consents('attacked')
  const other = await generateKeyPair('RS256')
  const forged = new SignJWT(claimsOf({})).setProtectedHeader({
    alg: 'RS256',
    kid: 'k1',
    typ: 'secevent+jwt',
  })
  const secret = new TextEncoder().encode(JSON.stringify(partner.publicJwk))
  const byPublicKey = new SignJWT(claimsOf({})).setProtectedHeader({
    alg: 'HS256',
    kid: 'k1',
    typ: 'secevent+jwt',
  })
  const bad: [what: string, token: string, err: string][] = [
    ['a wrong key', await forged.sign(other.privateKey), 'invalid_key'],
    ['an unknown key', await sign(claimsOf({}), { kid: 'k2' }), 'invalid_key'],
    ['the public key as a secret', await byPublicKey.sign(secret), 'invalid_key'],
    ['no signature', unsigned(claimsOf({}), { alg: 'none', typ: 'secevent+jwt' }), 'invalid_key'],
    ['another issuer', await sign(claimsOf({ iss: 'https://other.test' })), 'invalid_issuer'],
    ['another audience', await sign(claimsOf({ aud: 'https://other.test' })), 'invalid_audience'],
    ['no audience', await sign(claimsOf({ aud: undefined })), 'invalid_audience'],
  ]
  for (const [what, token, err] of bad) expect(await push(token), what).toEqual({ status: 400, err })
  const strange: [what: string, token: string][] = [
    ['an ID token', await sign(claimsOf({ sub: 'sub-maya', exp: seconds() + 60 }), { typ: 'JWT' })],
    ['a token with sub', await sign(claimsOf({ sub: 'sub-maya' }))],
  ]
  for (const [what, token] of strange)
    expect(await push(token), what).toEqual({ status: 400, err: 'invalid_request' })
  expect(await statusOf(client)).toBe('live')
})

test('a source that does not push is polled, and told what was taken and what was refused', async () => {
  const { client } = await consents('polled')
  const good = await sign(claimsOf({ jti: 'good' }))
  const bad = await sign(claimsOf({ jti: 'bad', aud: 'https://other.test' }))
  const asked: Claims[] = []
  const headers: unknown[] = []
  const server = createServer(async (request, response) => {
    const body = JSON.parse(await text(request)) as Claims
    asked.push(body)
    headers.push(request.headers.authorization)
    const sets = asked.length === 1 ? { good, bad } : {}
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ sets }))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  await site.api.signalSources.create({
    ...{ name: 'polled', provider: 'idp', issuer: partner.issuer, jwksUri: `${partner.issuer}/jwks` },
    ...{ audience: source.audience, authorization: 'Bearer of-ours' },
    pollUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/poll`,
  })
  await vi.waitFor(async () => expect(await statusOf(client)).toBe('revoked'), { timeout: 15_000 })
  await vi.waitFor(() => expect(asked).toHaveLength(2))
  expect(asked[0]).toEqual({ maxEvents: 100, returnImmediately: true, ack: [], setErrs: {} })
  expect(asked[1]).toMatchObject({ ack: ['good'], setErrs: { bad: { err: 'invalid_audience' } } })
  expect(headers).toEqual(['Bearer of-ours', 'Bearer of-ours'])
  const shown = (await site.api.signalSources.list({})).items.find(({ name }) => name === 'polled')
  expect(JSON.stringify(shown)).not.toContain('of-ours')
  await site.api.signalSources.remove({ signalSource: 'polled' })
  await new Promise(resolve => server.close(resolve))
})

test('a source that is slow and says more than it was asked for holds no other one up', async () => {
  const asked: { slow: { setErrs: object }[]; quick: unknown[] } = { slow: [], quick: [] }
  let pauseMs = 2_000
  const bad = Object.fromEntries(Array.from({ length: 120 }, (_, i) => [`bad-${i}`, 'none']))
  const server = createServer(async (request, response) => {
    const isSlow = request.url === '/slow'
    const body = JSON.parse(await text(request))
    asked[isSlow ? 'slow' : 'quick'].push(body)
    if (isSlow) await new Promise(resolve => setTimeout(resolve, pauseMs))
    const sets = isSlow && pauseMs > 0 ? bad : {}
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ sets }))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const at = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const source = { provider: 'idp', issuer: partner.issuer, jwksUri: `${partner.issuer}/jwks` }
  await site.api.signalSources.create({ ...source, name: 'slow', pollUrl: `${at}/slow` })
  await vi.waitFor(() => expect(asked.slow).toHaveLength(1), { timeout: 10_000 })
  await site.api.signalSources.create({ ...source, name: 'quick', pollUrl: `${at}/quick` })
  await vi.waitFor(() => expect(asked.quick).toHaveLength(1), { timeout: 10_000 })
  await vi.waitFor(() => expect(asked.slow.length).toBeGreaterThan(1), { timeout: 10_000 })
  expect(Object.keys(asked.slow[1]?.setErrs ?? {})).toHaveLength(100)
  pauseMs = 0
  for (const signalSource of ['slow', 'quick']) await site.api.signalSources.remove({ signalSource })
  await new Promise(resolve => server.close(resolve))
})

test('a source whose provider is disabled, or that is removed, is not heard', async () => {
  const { client } = await consents('disabled')
  const path = `${source.path}x`
  expect(await push(await sign(claimsOf({})), { path })).toMatchObject({ status: 404 })
  await site.api.identityProviders.update({ provider: 'idp', status: 'disabled' })
  expect(await say({})).toMatchObject({ status: 404 })
  await site.api.identityProviders.update({ provider: 'idp', status: 'active' })
  expect(await statusOf(client)).toBe('live')
  const jwksUri = `${partner.issuer}/jwks`
  const more = { name: 'short', provider: 'idp', issuer: partner.issuer, jwksUri, audience: source.audience }
  const short = await site.api.signalSources.create(more)
  await site.api.signalSources.remove({ signalSource: 'short' })
  expect(await push(await sign(claimsOf({})), { path: short.path })).toMatchObject({ status: 404 })
})

test('where the keys are is asked of the issuer, which has to call itself so', async () => {
  const more = { name: 'asked', provider: 'idp' }
  await expect(site.api.signalSources.create({ ...more, issuer: partner.issuer })).rejects.toMatchObject({
    status: 400,
    message: expect.stringContaining('jwksUri'),
  })
  for (const issuer of ['http://idp.test', 'https://user:pw@idp.test'])
    await expect(
      site.api.signalSources.create({ ...more, issuer, jwksUri: `${issuer}/jwks` }),
    ).rejects.toMatchObject({ status: 400 })
  // Ours says where its keys are.
  const ours = await site.api.signalSources.create({ ...more, issuer: site.url })
  expect(ours.jwksUri).toBe(`${site.url}/signals/jwks.json`)
  await site.api.signalSources.remove({ signalSource: 'asked' })
})

test('whoever sends rubbish waits, and rubbish is small', async () => {
  const huge = await fetch(site.url + source.path, {
    ...{ method: 'POST', headers: { 'content-type': 'application/secevent+jwt' }, body: 'x'.repeat(100_000) },
  })
  expect(huge.status).toBe(413)
  const answers: number[] = []
  for (let i = 0; i < 12; i++) answers.push((await push('rubbish')).status)
  expect(answers.at(-1)).toBe(429)
})
