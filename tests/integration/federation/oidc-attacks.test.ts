import { generateKeyPair } from 'jose'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { referenceOn } from '../browser.ts'
import { openPeopleSite, type PeopleSite } from '../people-site.ts'
import { createPerson, createReasons } from './hop.ts'
import { openScriptedOidc, type Script, type ScriptedOidc, unsigned } from './scripted-oidc.ts'

const CLIENT = 'valetkey'
const MAYA = 'maya@scripted.test'
const EVENTS = { 'http://schemas.openid.net/event/backchannel-logout': {} }

let site: PeopleSite
let partner: ScriptedOidc
let other: ScriptedOidc
/** So long is somebody slowed down. */
const MINUTES = 16
let aheadSeconds = 0
let callback: string
let backchannel: string

beforeAll(async () => {
  ;[site, partner, other] = await Promise.all([
    openPeopleSite(),
    openScriptedOidc(CLIENT),
    openScriptedOidc(CLIENT),
  ])
  const oidc = { issuer: partner.issuer, clientId: CLIENT }
  const { paths } = await site.api.identityProviders.create({
    name: 'scripted',
    oidc,
    secret: 'not-used-here',
  })
  callback = site.url + paths['callback']
  backchannel = site.url + paths['backchannelLogout']
  await site.api.domains.claim({ domain: 'scripted.test', provider: 'scripted' })
  await site.api.domains.trust({ domain: 'scripted.test' })
  await site.api.people.create({ email: MAYA, name: 'Maya' })
}, 60_000)

afterAll(async () => {
  await site?.close()
  await partner?.close()
  await other?.close()
})

beforeEach(() => {
  // What was refused counts against the address of whoever sent it.
  site.passTime(MINUTES)
  aheadSeconds += MINUTES * 60
  partner.say({})
})

const signIn = () => createPerson(site.url, partner.issuer).signInElsewhere(MAYA)

const reasons = createReasons(() => site)

test('the scripted provider is good enough where it is honest', async () => {
  expect((await signIn()).url).toBe(`${site.url}/account`)
})

const now = () => Math.floor(Date.now() / 1000)
const LIES: Record<string, () => Script | Promise<Script>> = {
  'an ID token of another issuer': () => ({ claims: { iss: other.issuer } }),
  'an ID token for another client': () => ({ claims: { aud: 'somebody-else' } }),
  'an ID token for two, without saying who asked': () => ({ claims: { aud: [CLIENT, 'somebody-else'] } }),
  'an ID token that another client asked for': () => ({ claims: { azp: 'somebody-else' } }),
  'an ID token of another sign-in (nonce)': () => ({ claims: { nonce: 'of-another' } }),
  'an ID token without a nonce': () => ({ claims: { nonce: undefined } }),
  'an ID token that has expired': () => ({ claims: { iat: now() - 900, exp: now() - 600 } }),
  'an ID token without a subject': () => ({ claims: { sub: undefined } }),
  'an ID token that nobody signed (alg none)': () => ({
    idToken: unsigned({
      iss: partner.issuer,
      aud: CLIENT,
      sub: 's',
      iat: now(),
      exp: now() + 60,
      email: MAYA,
    }),
  }),
  'an ID token signed with the public key as a secret (HS256)': () => ({
    header: { alg: 'HS256' },
    key: Buffer.from(JSON.stringify(partner.publicJwk)),
  }),
  'an ID token signed with the client secret (HS256)': () => ({
    header: { alg: 'HS256' },
    key: Buffer.from('not-used-here'),
  }),
  'an ID token that another key signed': async () => ({ key: (await generateKeyPair('RS256')).privateKey }),
  'an answer in the name of another issuer (mix-up)': () => ({ iss: other.issuer }),
  'an answer that leaves out its issuer': () => ({ iss: null }),
}

test.each(Object.keys(LIES))('refused: %s', async lie => {
  partner.say((await LIES[lie]?.()) ?? {})
  reasons.expect(await signIn(), lie.includes('another client asked') ? 'azp_foreign' : 'provider_refused')
})

test('a code that another provider gave out is not taken here (mix-up, code injection)', async () => {
  const person = createPerson(site.url, partner.issuer)
  const start = await person.at(site.url).open('/sign-in')
  const left = await person.at(site.url).submit(start, { email: MAYA, way: 'provider' })
  const request = new URL(/url=(.*)$/.exec(left.headers.get('refresh') ?? '')?.[1] ?? '')
  const state = request.searchParams.get('state') ?? ''
  const inject = (query: Record<string, string>) =>
    person.at(site.url).open(`${callback}?${new URLSearchParams(query)}`)
  expect((await inject({ code: 'stolen', state, iss: other.issuer })).status).toBe(403)
  expect((await inject({ code: 'stolen', state: 'guessed', iss: partner.issuer })).status).toBe(403)
  // Its nonce is that of another sign-in.
  expect((await inject({ code: 'stolen', state, iss: partner.issuer })).status).toBe(403)
})

test('what leaves with one browser comes back with it alone (state)', async () => {
  const victim = createPerson(site.url, partner.issuer)
  const attacker = createPerson(site.url, partner.issuer)
  const page = await attacker.at(site.url).open('/sign-in')
  const left = await attacker.at(site.url).submit(page, { email: MAYA, way: 'provider' })
  const authorize = /url=(.*)$/.exec(left.headers.get('refresh') ?? '')?.[1] ?? ''
  const { leaves } = await attacker.at(partner.issuer).open(authorize)
  reasons.expect(await victim.at(site.url).open(leaves ?? ''), 'not_this_browser')
  expect((await victim.at(site.url).open('/account')).url).toBe(`${site.url}/sign-in`)
  // The one that it belongs to goes through, once.
  expect((await attacker.at(site.url).open(leaves ?? '')).url).toBe(`${site.url}/account`)
  expect((await attacker.at(site.url).open(leaves ?? '')).status).toBe(403)
})

test('an error of the provider is said, and nothing of it is shown as it comes', async () => {
  const person = createPerson(site.url, partner.issuer)
  const page = await person.at(site.url).open('/sign-in')
  const left = await person.at(site.url).submit(page, { email: MAYA, way: 'provider' })
  const state = new URL(/url=(.*)$/.exec(left.headers.get('refresh') ?? '')?.[1] ?? '').searchParams.get(
    'state',
  )
  const query = {
    error: 'access_denied',
    error_description: '<script>alert(1)</script>',
    iss: partner.issuer,
  }
  const shown = await person
    .at(site.url)
    .open(`${callback}?${new URLSearchParams({ ...query, state: state ?? '' })}`)
  expect([shown.status, shown.text.includes('alert(1)')]).toEqual([403, false])
  expect(shown.text).toContain('did not let you in')
  reasons.expect(shown, 'denied_there')
  // From there it begins again.
  const again = /class="button" href="([^"]*)"/.exec(shown.text)?.[1] ?? ''
  expect((await person.at(site.url).open(again)).url).toBe(`${site.url}/sign-in`)
})

test('the record tells administrators what was not as it should be, and nothing that was sent', async () => {
  partner.say({ claims: { aud: 'somebody-else' } })
  const page = await signIn()
  const reference = referenceOn(page)
  const causeOf = async () =>
    (await site.events('person.sign_in_refused')).find(({ detail }) => detail['reference'] === reference)
      ?.detail['cause']
  await expect.poll(causeOf, { timeout: 15_000 }).toContain('"aud"')
  expect(page.text).not.toContain('aud')
})

test('who keeps asking for a provider that does not answer is slowed down', async () => {
  const down = await openScriptedOidc(CLIENT)
  const oidc = { issuer: down.issuer, clientId: CLIENT }
  await down.close()
  await site.api.identityProviders.create({ name: 'down', oidc })
  await site.api.domains.claim({ domain: 'down.test', provider: 'down' })
  await site.api.domains.trust({ domain: 'down.test' })
  const person = createPerson(site.url)
  let asked = 0
  for (let status = 403; status === 403; asked++)
    status = (await person.signInElsewhere('maya@down.test')).status
  // The last one was not asked any more.
  expect(asked).toBe(31)
  expect((await person.signInElsewhere('maya@down.test')).status).toBe(429)
})

test.each([
  ['redirects', 'provider_redirects', (to: string) => ({ status: 302, headers: { location: to }, body: '' })],
  [
    'is too large',
    'provider_answer_too_large',
    () => ({ status: 200, headers: {}, body: 'x'.repeat(600_000) }),
  ],
] as const)('what a provider publishes of itself and %s is not taken', async (_, reason, answer) => {
  const broken = await openScriptedOidc(CLIENT)
  const { status, headers, body } = answer(`${partner.issuer}/.well-known/openid-configuration`)
  broken.say({ discovery: response => response.writeHead(status, headers).end(body) })
  await site.api.identityProviders.create({
    name: `broken-${status}`,
    oidc: { issuer: broken.issuer, clientId: CLIENT },
  })
  const domain = `broken-${status}.test`
  await site.api.domains.claim({ domain, provider: `broken-${status}` })
  await site.api.domains.trust({ domain })
  reasons.expect(await createPerson(site.url).signInElsewhere(`maya@${domain}`), reason)
  await broken.close()
})

test(
  'the record says why each was refused, under the reference that the page shows',
  () => reasons.check(),
  20_000,
)

/** By the clock of the site. */
const TOKEN = () => {
  const iat = now() + aheadSeconds
  return { iss: partner.issuer, aud: CLIENT, sub: 'sub-maya', iat, exp: iat + 60, events: EVENTS }
}
const TYP = { alg: 'RS256', typ: 'logout+jwt' }
let count = 0

async function tell(claims: object, script: Script = { header: TYP }, token?: string) {
  const body = token ?? (await partner.sign({ jti: `jti-${count++}`, ...claims }, script))
  const response = await fetch(backchannel, {
    method: 'POST',
    body: new URLSearchParams({ logout_token: body }),
  })
  return { status: response.status, body, cache: response.headers.get('cache-control') }
}

test.each<[string, () => object, Script?]>([
  ['of another issuer', () => ({ ...TOKEN(), iss: other.issuer })],
  ['for another client', () => ({ ...TOKEN(), aud: 'somebody-else' })],
  ['without the event', () => ({ ...TOKEN(), events: {} })],
  ['that is an ID token (nonce)', () => ({ ...TOKEN(), nonce: 'n' })],
  ['of nobody', () => ({ ...TOKEN(), sub: undefined })],
  ['without a jti', () => ({ ...TOKEN(), jti: undefined })],
  ['without an end', () => ({ ...TOKEN(), exp: undefined })],
  ['that has ended', () => ({ ...TOKEN(), iat: now(), exp: now() + 60 })],
  ['that is of another type', TOKEN, { header: { alg: 'RS256', typ: 'JWT' } }],
  ['without a type', TOKEN, { header: { alg: 'RS256' } }],
  [
    'signed with the public key as a secret',
    TOKEN,
    { header: { alg: 'HS256', typ: 'logout+jwt' }, key: Buffer.from('k'.repeat(32)) },
  ],
])('a logout token %s ends nothing', async (_, claims, script) => {
  const { page, browser } = await signedIn()
  expect(page.url).toBe(`${site.url}/account`)
  expect(await tell(claims(), script)).toMatchObject({ status: 400, cache: 'no-store' })
  expect((await browser.open('/account')).url).toBe(`${site.url}/account`)
})

test('a logout token that nobody signed ends nothing, and a good one ends the session, once', async () => {
  const { browser } = await signedIn()
  expect(
    await tell({}, {}, unsigned({ ...TOKEN(), jti: 'j' }, { alg: 'none', typ: 'logout+jwt' })),
  ).toMatchObject({ status: 400 })
  expect((await browser.open('/account')).url).toBe(`${site.url}/account`)
  const good = await tell(TOKEN())
  expect(good.status).toBe(200)
  expect((await browser.open('/account')).url).toBe(`${site.url}/sign-in`)
  const again = await signedIn()
  expect(await tell({}, {}, good.body)).toMatchObject({ status: 400 })
  expect((await again.browser.open('/account')).url).toBe(`${site.url}/account`)
})

test('a logout token that names a session ends that one alone', async () => {
  partner.say({ claims: { sid: 'first' } })
  const first = await signedIn()
  partner.say({ claims: { sid: 'second' } })
  const second = await signedIn()
  expect((await tell({ ...TOKEN(), sid: 'first' })).status).toBe(200)
  expect((await first.browser.open('/account')).url).toBe(`${site.url}/sign-in`)
  expect((await second.browser.open('/account')).url).toBe(`${site.url}/account`)
})

async function signedIn() {
  const person = createPerson(site.url, partner.issuer)
  return { page: await person.signInElsewhere(MAYA), browser: person.at(site.url) }
}
