import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import type { Browser, Shown } from './browser.ts'
import { createBrowser } from './browser.ts'
import { openPeopleSite, type PeopleSite } from './people-site.ts'
import {
  createSoftwareAuthenticator,
  type Lies,
  type SoftwareAuthenticator,
} from './software-authenticator.ts'

// Passwords are meant to take long, and longer where other tests run.
vi.setConfig({ testTimeout: 60_000 })

const ADA = 'ada@northwind.test'
const BEA = 'bea@northwind.test'

let site: PeopleSite
let adas: SoftwareAuthenticator
let beas: SoftwareAuthenticator

beforeAll(async () => {
  // A passkey belongs to a host name.
  site = await openPeopleSite({}, 'localhost')
  adas = await withPasskey(ADA)
  beas = await withPasskey(BEA)
}, 60_000)

afterAll(() => site?.close())

function optionsOn(page: Shown): string {
  const text = /data-options="([^"]*)"/.exec(page.text)?.[1] ?? ''
  return text.replaceAll('&quot;', '"').replaceAll('&amp;', '&')
}

async function withPasskey(email: string): Promise<SoftwareAuthenticator> {
  await site.invited(email, email)
  const { browser } = await site.signIn({ email })
  const device = createSoftwareAuthenticator(site.url)
  const done = await add(browser, device)
  expect(done.text).toContain('Keep your recovery codes')
  return device
}

async function add(browser: Browser, device: SoftwareAuthenticator, lies: Lies = {}): Promise<Shown> {
  const page = await browser.open('/account/passkey')
  const credential = device.create(optionsOn(page), lies)
  return browser.send(page, 'data-passkey', { credential, label: 'laptop' })
}

/** Opens the sign-in page, and answers with a device. */
async function show(device: SoftwareAuthenticator, lies: Lies = {}) {
  const browser = createBrowser(site.url)
  const page = await browser.open('/sign-in')
  return {
    browser,
    page: await browser.send(page, 'data-passkey', { credential: device.get(optionsOn(page), lies) }),
  }
}

test('a passkey signs its person in, and nobody else', async () => {
  const { browser, page } = await show(adas)
  expect([page.url, page.text.includes(ADA)]).toEqual([`${site.url}/account`, true])
  expect((await show(beas)).page.text).toContain(BEA)
  expect((await browser.open('/account')).text).toContain(ADA)
})

test.each<[string, Lies]>([
  ['was asked for by another site', { origin: 'https://evil.test' }],
  ['was asked for on another port', { origin: 'http://localhost:1' }],
  ['belongs to another site', { rpId: 'evil.test' }],
  ['did not ask who holds the device', { isVerified: false }],
  ['was made for something else', { type: 'webauthn.create' }],
  ['carries a signature of something else', { isForged: true }],
  ['comes from a copy of the device', { counter: 1 }],
  ['names somebody else', { handle: Buffer.from('usr_00000000000000000000000000').toString('base64url') }],
])('an answer that %s signs nobody in', async (_, lies) => {
  await show(adas)
  const { browser, page } = await show(adas, lies)
  expect(page).toMatchObject({ status: 401, url: `${site.url}/sign-in` })
  expect(await browser.open('/account')).toMatchObject({ url: `${site.url}/sign-in` })
})

test('an answer is good once, for the page that asked, and for a quarter of an hour', async () => {
  const browser = createBrowser(site.url)
  const page = await browser.open('/sign-in')
  const values = { credential: adas.get(optionsOn(page)) }
  const send = () => createBrowser(site.url).send(page, 'data-passkey', values)
  const both = await Promise.all([send(), send()])
  expect(both.map(({ url }) => url).sort()).toEqual([`${site.url}/account`, `${site.url}/sign-in`])
  const [one, two] = [await browser.open('/sign-in'), await browser.open('/sign-in')]
  const other = await browser.send(one, 'data-passkey', { credential: adas.get(optionsOn(two)) })
  expect(other).toMatchObject({ status: 401 })
  const late = await browser.open('/sign-in')
  const credential = adas.get(optionsOn(late))
  site.passTime(16)
  expect(await browser.send(late, 'data-passkey', { credential })).toMatchObject({ status: 401 })
})

test('what is no answer at all is refused as any other', async () => {
  for (const credential of ['', '{}', 'null', '[]', `{"id":"${'a'.repeat(9000)}"}`, '{"id":1}']) {
    const browser = createBrowser(site.url)
    const page = await browser.open('/sign-in')
    expect(await browser.send(page, 'data-passkey', { credential })).toMatchObject({ status: 401 })
  }
})

test('as a second factor only the person’s own passkey counts', async () => {
  const answer = async (device: SoftwareAuthenticator) => {
    const { browser, page } = await site.signIn({ email: ADA })
    expect(page.text).toContain('One more step')
    return browser.send(page, 'data-passkey', { credential: device.get(optionsOn(page)) })
  }
  expect(await answer(beas)).toMatchObject({ status: 401 })
  expect(await answer(adas)).toMatchObject({ url: `${site.url}/account` })
})

test('a new passkey is taken from this site alone, unlocked, for who is signed in, and once', async () => {
  await site.invited('cleo@northwind.test', 'Cleo')
  const { browser } = await site.signIn({ email: 'cleo@northwind.test' })
  for (const lies of [{ origin: 'https://evil.test' }, { rpId: 'evil.test' }, { isVerified: false }])
    expect(await add(browser, createSoftwareAuthenticator(site.url), lies)).toMatchObject({ status: 400 })
  // One that somebody has already.
  expect(await add(browser, adas)).toMatchObject({ status: 400 })
  // What was refused has changed nothing, the session included.
  expect(await browser.open('/account')).toMatchObject({ url: `${site.url}/account` })
  expect((await site.api.factors.list({ id: 'cleo@northwind.test' })).items).toEqual([])
})

test('a copy of a device goes on record', async () => {
  const { items } = await site.api.factors.list({ id: BEA })
  const factor = items[0]?.id
  await show(beas)
  await show(beas, { counter: 1 })
  await expect
    .poll(() => site.events('person.passkey_copied'), { timeout: 10_000 })
    .toContainEqual(expect.objectContaining({ detail: { factor, counter: 1 } }))
})

test('however many factors and sessions there are, the account page is small; ten factors are enough', async () => {
  const { browser } = await site.signIn({ email: 'cleo@northwind.test' })
  for (let n = 0; n < 10; n++) {
    const done = await add(browser, createSoftwareAuthenticator(site.url))
    expect(done.status).toBe(200)
  }
  expect(await add(browser, createSoftwareAuthenticator(site.url))).toMatchObject({ status: 400 })
  const device = createSoftwareAuthenticator(site.url)
  const { items } = await site.api.factors.list({ id: 'cleo@northwind.test' })
  await site.api.factors.remove({ id: 'cleo@northwind.test', factor: items[0]?.id ?? '' })
  await site.invited('fay@northwind.test', 'Fay')
  const { browser: fays } = await site.signIn({ email: 'fay@northwind.test' })
  await add(fays, device)
  for (let n = 0; n < 12; n++) await show(device)
  const page = await fays.open('/account')
  expect(page.text).toContain('and 3 more')
  expect(Buffer.byteLength(page.text)).toBeLessThan(10_000)
})

test('a passkey that was taken away signs nobody in', async () => {
  const device = await withPasskey('dora@northwind.test')
  expect((await show(device)).page.url).toBe(`${site.url}/account`)
  const { items } = await site.api.factors.list({ id: 'dora@northwind.test' })
  await site.api.factors.remove({ id: 'dora@northwind.test', factor: items[0]?.id ?? '' })
  expect((await show(device)).page.status).toBe(401)
})

test('an invitation may be answered with a passkey, once, by who has nothing else yet', async () => {
  await site.api.people.create({ email: 'eve@northwind.test', name: 'Eve' })
  await site.api.signIn.update({ id: 'northwind', methods: ['passkey'] })
  const { url } = await site.api.invitations.create({ id: 'eve@northwind.test' })
  const browser = createBrowser(site.url)
  const page = await browser.open(url)
  expect(page.text).not.toContain('type="password"')
  const device = createSoftwareAuthenticator(site.url)
  const wrong = device.create(optionsOn(page), { isVerified: false })
  expect(await browser.send(page, 'data-passkey', { credential: wrong })).toMatchObject({ status: 400 })
  const again = await browser.open(url)
  const values = { credential: device.create(optionsOn(again)) }
  const both = await Promise.all([1, 2].map(() => browser.send(again, 'data-passkey', values)))
  expect(both.filter(({ text }) => text.includes('Keep your recovery codes'))).toHaveLength(1)
  expect((await show(device)).page.text).toContain('eve@northwind.test')
  expect(await browser.open(url)).toMatchObject({ status: 404 })
  // Whoever gets into the mail gets no further than to a password.
  await site.api.signIn.update({ id: 'northwind', methods: ['passkey', 'password'] })
  const next = await browser.open((await site.api.invitations.create({ id: 'eve@northwind.test' })).url)
  expect(next.text).not.toContain('data-passkey="')
  const forged = { form: browser.fieldsOf(next).get('form') ?? '', action: 'passkey' }
  expect(await browser.post(next.url, new URLSearchParams(forged))).toMatchObject({ status: 403 })
})

test('the page of a passkey runs one script, by nonce and by what is in it', async () => {
  const response = await fetch(`${site.url}/sign-in`)
  const text = await response.text()
  const policy = response.headers.get('content-security-policy') ?? ''
  const nonce = /script-src 'nonce-([^']+)'/.exec(policy)?.[1]
  const scripts = text.match(/<script[^>]*>/g) ?? []
  expect(scripts).toHaveLength(1)
  expect(scripts[0]).toContain(`nonce="${nonce}"`)
  expect(scripts[0]).toMatch(/integrity="sha384-/)
  expect(Buffer.byteLength(text)).toBeLessThan(10_000)
  const src = /src="([^"]+)"/.exec(scripts[0] ?? '')?.[1] ?? ''
  const script = await fetch(site.url + src)
  expect(script.headers.get('cache-control')).toContain('immutable')
  expect((await fetch(`${site.url}/passkey-000000000000.js`)).status).toBe(404)
})
