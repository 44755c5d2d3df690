import { sql } from 'kysely'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { personWith } from '../../e2e/person.ts'
import { type Site, startSite, type TestClient } from '../consent-site.ts'
import { createPerson } from './hop.ts'
import { openScriptedOidc, type ScriptedOidc } from './scripted-oidc.ts'

const CLIENT = 'valetkey'
const MAYA = 'maya@northwind.test'
const EVENTS = { 'http://schemas.openid.net/event/backchannel-logout': {} }

let site: Site
let partner: ScriptedOidc
let backchannel: string
let agents = 0

beforeAll(async () => {
  ;[site, partner] = await Promise.all([startSite(), openScriptedOidc(CLIENT)])
  const oidc = { issuer: partner.issuer, clientId: CLIENT, takesUnverifiedEmail: true }
  const { paths } = await site.api.identityProviders.create({ name: 'idp', oidc })
  backchannel = site.url + paths['backchannelLogout']
  await site.api.domains.claim({ domain: 'northwind.test', provider: 'idp' })
  await site.api.domains.trust({ domain: 'northwind.test' })
  await site.api.people.create({ email: MAYA, name: 'Maya' })
  await site.api.assignments.create({ principal: `user:${MAYA}`, role: 'desk' })
}, 60_000)

afterAll(async () => {
  await site?.[Symbol.asyncDispose]()
  await partner?.close()
})

/** Maya signs in at the provider, in a session of this name, because an agent asks, and is about to let it act. */
async function isAsked(sid: string) {
  partner.say({ claims: { email: MAYA, sid } })
  const client = await site.agent(`agent-${++agents}`, { ceiling: ['tickets:read', 'tickets:write'] })
  const person = createPerson(site.url, partner.issuer)
  const browser = person.at(site.url)
  const asked = site.ask(client, { scope: ['tickets:read', 'offline_access'] })
  const page = await browser.open(asked)
  const shown = await person.follow(await browser.submit(page, { email: MAYA, way: 'provider' }))
  expect(shown.text).toContain('act for you')
  return { client, allow: () => personWith(browser, MAYA).answer(shown, { scope: ['tickets:read'] }) }
}

async function consents(sid: string) {
  const { client, allow } = await isAsked(sid)
  const { leaves } = await allow()
  const tokens = await site.redeem(client, leaves ?? new URL('about:blank'))
  expect(tokens).toMatchObject({ status: 200, refresh_token: expect.any(String) })
  return { client, tokens }
}

const statusOf = async ({ id }: TestClient) => (await site.api.grants.list({ agent: id })).items[0]?.status

function logoutToken(claims: { sub?: string; sid?: string }) {
  const now = Math.floor(Date.now() / 1000)
  const times = { iat: now, exp: now + 60, jti: `jti-${Math.random()}` }
  return partner.sign(
    { iss: partner.issuer, aud: CLIENT, events: EVENTS, ...times, ...claims },
    { header: { alg: 'RS256', typ: 'logout+jwt' } },
  )
}

const tell = (logout_token: string) =>
  fetch(backchannel, { method: 'POST', body: new URLSearchParams({ logout_token }) })

async function signOut(claims: { sub?: string; sid?: string }) {
  expect((await tell(await logoutToken(claims))).status).toBe(200)
}

test('a sign-out of one session at the provider takes back what was consented to in it, and nothing else', async () => {
  const [first, second] = [await consents('one'), await consents('two')]
  await signOut({ sub: 'sub-maya', sid: 'one' })
  expect([await statusOf(first.client), await statusOf(second.client)]).toEqual(['revoked', 'live'])
  const refreshed = await site.refresh(first.client, first.tokens.refresh_token ?? '')
  expect(refreshed).toMatchObject({ status: 400, error: 'invalid_grant' })
  expect(await site.refresh(second.client, second.tokens.refresh_token ?? '')).toMatchObject({ status: 200 })
})

test('a sign-out of the person takes back all that the person consented to, and nothing that others gave', async () => {
  const [first, second] = [await consents('three'), await consents('four')]
  const byHand = await site.agent(`agent-${++agents}`)
  await site.api.grants.create({ agent: byHand.id, person: MAYA, scopes: ['tickets:read'] })
  await signOut({ sub: 'somebody-else' })
  expect(await statusOf(first.client)).toBe('live')
  await signOut({ sub: 'sub-maya' })
  expect(await Promise.all([first.client, second.client, byHand].map(statusOf))).toEqual([
    'revoked',
    'revoked',
    'live',
  ])
})

test('a yes that a sign-out has overtaken is none', async () => {
  const { client, allow } = await isAsked('seven')
  const { db } = site.authority.store
  // As if the sign-out had been told after the form was read, and before the yes was written down.
  await sql`create trigger overtaking before update on organization begin
    update federated_session set ended_at = '2026-01-01T00:00:00.000Z' where sid = 'seven'; end`.execute(db)
  const { leaves } = await allow()
  await sql`drop trigger overtaking`.execute(db)
  expect([leaves, await statusOf(client)]).toEqual([null, undefined])
})

test('a sign-out that failed here is not used up: it ends what it is about when it comes again', async () => {
  const { client } = await consents('six')
  const token = await logoutToken({ sub: 'sub-maya', sid: 'six' })
  const { db } = site.authority.store
  await sql`create trigger failing before update on federated_session begin select raise(abort, 'full'); end`.execute(
    db,
  )
  expect((await tell(token)).status).toBeGreaterThanOrEqual(500)
  await sql`drop trigger failing`.execute(db)
  expect(await statusOf(client)).toBe('live')
  expect((await tell(token)).status).toBe(200)
  expect(await statusOf(client)).toBe('revoked')
  expect((await tell(token)).status).toBe(400)
})

test('where the provider is set so, a sign-out ends sessions alone', async () => {
  await site.api.identityProviders.update({ provider: 'idp', revokesOnLogout: false })
  const { client } = await consents('five')
  await signOut({ sub: 'sub-maya' })
  expect(await statusOf(client)).toBe('live')
  await site.api.identityProviders.update({ provider: 'idp', revokesOnLogout: true })
})

test('an agent that asks for a fresh sign-in has the provider ask, too', async () => {
  const client = await site.agent(`agent-${++agents}`)
  const person = createPerson(site.url, partner.issuer)
  const browser = person.at(site.url)
  const ask = () => browser.open(site.ask(client, { scope: ['tickets:read'], prompt: 'login' }))
  const left = await browser.submit(await ask(), { email: MAYA, way: 'provider' })
  const request = new URL(/url=(.*)$/.exec(left.headers.get('refresh') ?? '')?.[1] ?? '')
  expect([request.searchParams.get('prompt'), request.searchParams.get('max_age')]).toEqual(['login', '0'])
  // One that does not ask, or does not say when it did, is not taken for it.
  const now = Math.floor(Date.now() / 1000)
  for (const auth_time of [now - 3_600, undefined]) {
    partner.say({ claims: { email: MAYA, auth_time } })
    const page = await person.follow(await browser.submit(await ask(), { email: MAYA, way: 'provider' }))
    expect(page.status).toBe(403)
  }
  partner.say({ claims: { email: MAYA, auth_time: now } })
  const page = await person.follow(await browser.submit(await ask(), { email: MAYA, way: 'provider' }))
  expect([page.status, page.text]).toEqual([200, expect.stringContaining('act for you')])
})

test('whom a session of the provider’s own has let in has shown nobody who they are', async () => {
  const client = await site.agent(`agent-${++agents}`)
  const now = Math.floor(Date.now() / 1000)
  for (const auth_time of [undefined, now - 3_600]) {
    const person = createPerson(site.url, partner.issuer)
    const browser = person.at(site.url)
    const asking = await browser.open(site.ask(client, { scope: ['tickets:read'], prompt: 'login' }))
    partner.say({ claims: { email: MAYA, auth_time } })
    expect((await person.signInElsewhere(MAYA)).url).toBe(`${site.url}/account`)
    // Neither for an agent that wants it, nor to change how they sign in.
    expect((await browser.open(asking.url)).text).toContain('name="password"')
    const stale = await browser.open('/account/password')
    expect([stale.status, stale.text.includes('once more')]).toEqual([403, true])
    const left = await browser.submit(stale, { email: MAYA, way: 'provider' })
    expect(left.headers.get('refresh')).toMatch(/[?&]prompt=login(&|$)/)
    partner.say({ claims: { email: MAYA, auth_time: now } })
    expect((await person.follow(left)).url).toBe(`${site.url}/account`)
    expect((await browser.open('/account/password')).status).toBe(200)
    expect((await browser.open(asking.url)).text).toContain('act for you')
  }
})
