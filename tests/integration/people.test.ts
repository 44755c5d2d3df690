import { api as contract, createClient } from '@valetkey/sdk/contract'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { findPasswordFault } from '../../packages/server/src/people/password/password.ts'
import { createBrowser, referenceOn } from './browser.ts'
import { openPeopleSite, PASSWORD, type PeopleSite } from './people-site.ts'

const MAYA = 'maya@northwind.test'

// Passwords are meant to take long, and longer where other tests run.
vi.setConfig({ testTimeout: 60_000 })

let site: PeopleSite

beforeAll(async () => {
  site = await openPeopleSite()
  await site.invited(MAYA, 'Maya')
}, 60_000)

afterAll(() => site?.close())

const signIn = (values: Record<string, string> = {}) => site.signIn({ email: MAYA, ...values })

test('a person signs in with the password that the invitation set, and out again', async () => {
  const { browser, page } = await signIn({ email: ' Maya@Northwind.test ' })
  expect([page.url, page.status]).toEqual([`${site.url}/account`, 200])
  expect(page.text).toContain('Maya (maya@northwind.test), Northwind')
  expect(await browser.send(page, '/sign-out')).toMatchObject({ url: `${site.url}/sign-in` })
  expect(await browser.open('/account')).toMatchObject({ url: `${site.url}/sign-in` })
  await expect.poll(() => site.events('person.signed_out'), { timeout: 10_000 }).toHaveLength(1)
})

test('a session that somebody has planted in the browser ends with the sign-in, and is not the new one', async () => {
  await site.invited('mallory@northwind.test', 'Mallory')
  const { browser: mallory } = await signIn({ email: 'mallory@northwind.test' })
  const browser = createBrowser(site.url)
  const page = await browser.open('/sign-in')
  for (const [name, cookie] of mallory.cookies) browser.cookies.set(name, cookie)
  const entered = await browser.send(page, 'type="password"', { email: MAYA, password: PASSWORD })
  expect(entered.text).toContain('Maya (maya@northwind.test)')
  expect(await mallory.open('/account')).toMatchObject({ url: `${site.url}/sign-in` })
})

test('a session that was copied ends with the sign-out', async () => {
  const { browser, page } = await signIn()
  const copied = new Map(browser.cookies)
  await browser.send(page, '/sign-out')
  for (const [name, cookie] of copied) browser.cookies.set(name, cookie)
  expect(await browser.open('/account')).toMatchObject({ url: `${site.url}/sign-in` })
})

test('an invitation is good once, a new one takes back the old, and only its hash is kept', async () => {
  const jon = await site.api.people.create({ email: 'jon@northwind.test', name: 'Jon' })
  const first = await site.api.invitations.create({ id: jon.id })
  const second = await site.api.invitations.create({ id: jon.id })
  const browser = createBrowser(site.url)
  expect(await browser.open(first.url)).toMatchObject({ status: 404 })
  const page = await browser.open(second.url)
  // A link that a mail scanner opens stays good.
  await browser.open(second.url)
  expect(page.text).not.toContain('<script')
  for (const [password, again, sentence] of [
    ['seven teapot', 'seven teapots', 'not the same'],
    ['short', 'short', 'too short'],
    ['passwordpassword!1', 'passwordpassword!1', 'one of the first'],
    ['jon@northwind.test', 'jon@northwind.test', 'too close'],
  ] as const) {
    const refused = await browser.submit(page, { password, again })
    expect([refused.status, refused.text.includes(sentence)]).toEqual([400, true])
  }
  const both = await Promise.all(
    [1, 2].map(() => browser.submit(page, { password: PASSWORD, again: PASSWORD })),
  )
  expect(both.map(({ status }) => status).sort()).toEqual([200, 404])
  expect(await browser.open(second.url)).toMatchObject({ status: 404 })
  const rows = await site.store.db.selectFrom('invitation').selectAll().execute()
  expect(JSON.stringify(rows)).not.toContain(second.url.split('/').at(-1))
  expect((await signIn({ email: 'jon@northwind.test' })).page.url).toBe(`${site.url}/account`)
})

test('400, 404, 409: an invitation is for an active person with an email address', async () => {
  await expect(site.api.invitations.create({ id: 'nobody@northwind.test' })).rejects.toMatchObject({
    status: 404,
  })
  const service = await site.api.people.create({ externalId: 'emp-17', name: 'Kim' })
  await expect(site.api.invitations.create({ id: service.id })).rejects.toMatchObject({ status: 409 })
  const gone = await site.api.people.create({ email: 'gone@northwind.test', name: 'Gone' })
  await site.api.people.update({ id: gone.id, status: 'suspended' })
  await expect(site.api.invitations.create({ id: gone.id })).rejects.toMatchObject({ status: 409 })
  const narrow = await site.api.apiTokens.create({ name: 'reader', permissions: ['person:read'] })
  const reader = createClient(contract, { baseUrl: site.url, token: () => narrow.token ?? '' })
  await expect(reader.invitations.create({ id: MAYA })).rejects.toMatchObject({ status: 403 })
})

test('a wrong password and an unknown account get the same answer', async () => {
  const strip = (text: string) => text.replace(/nonce="[^"]*"|value="[^"]*"/g, '')
  const wrong = (await signIn({ password: 'eight blue teapots' })).page
  const unknown = (await signIn({ email: 'nobody@northwind.test' })).page
  expect([wrong.status, strip(wrong.text)]).toEqual([unknown.status, strip(unknown.text)])
  expect(wrong.status).toBe(401)
})

test('who signs in by the old password while the new one is being hashed is signed out as well', async () => {
  const email = 'ola@northwind.test'
  const { id } = await site.invited(email, 'Ola')
  const epoch = async () =>
    (
      await site.store.db
        .selectFrom('principal')
        .select('sessionEpoch')
        .where('id', '=', id)
        .executeTakeFirstOrThrow()
    ).sessionEpoch
  const { browser } = await site.signIn({ email })
  const before = await epoch()
  const change = { old: PASSWORD, password: 'nine green kettles', again: 'nine green kettles' }
  const changing = browser.send(await browser.open('/account/password'), 'name="again"', change)
  while ((await epoch()) === before) await new Promise(resolve => setImmediate(resolve))
  const meanwhile = await site.signIn({ email })
  expect(await changing).toMatchObject({ url: `${site.url}/account?done=password` })
  expect(await meanwhile.browser.open('/account')).toMatchObject({ url: `${site.url}/sign-in` })
  expect(await browser.open('/account')).toMatchObject({ url: `${site.url}/account` })
})

test('a new password makes an invitation void that nobody has answered yet', async () => {
  const email = 'ove@northwind.test'
  await site.invited(email, 'Ove')
  const { url } = await site.api.invitations.create({ id: email })
  const { browser } = await site.signIn({ email })
  expect((await createBrowser(site.url).open(url)).status).toBe(200)
  const change = { old: PASSWORD, password: 'nine green kettles', again: 'nine green kettles' }
  await browser.send(await browser.open('/account/password'), 'name="again"', change)
  expect((await createBrowser(site.url).open(url)).status).toBe(404)
})

test('a suspended person is signed out at once, and cannot sign in', async () => {
  const lea = await site.api.people.create({ email: 'lea@northwind.test', name: 'Lea' })
  const { url } = await site.api.invitations.create({ id: lea.id })
  const browser = createBrowser(site.url)
  await browser.submit(await browser.open(url), { password: PASSWORD, again: PASSWORD })
  const { browser: hers, page } = await signIn({ email: 'lea@northwind.test' })
  expect(page.url).toBe(`${site.url}/account`)
  await site.api.people.update({ id: lea.id, status: 'suspended' })
  expect(await hers.open('/account')).toMatchObject({ url: `${site.url}/sign-in` })
  expect((await signIn({ email: 'lea@northwind.test' })).page.status).toBe(401)
})

test('forms are taken from our own pages only', async () => {
  const { browser, page } = await signIn()
  const ownOf = (its: typeof browser, shown: typeof page) => its.fieldsOf(its.formOf(shown, '/sign-out'))
  const fields = ownOf(browser, page)
  const post = (form: URLSearchParams, headers = {}) => browser.post('/sign-out', form, headers)
  expect(await post(new URLSearchParams())).toMatchObject({ status: 403 })
  expect(await post(new URLSearchParams({ form: 'v1.forged' }))).toMatchObject({ status: 403 })
  expect(await post(fields, { origin: 'https://evil.test' })).toMatchObject({ status: 403 })
  expect(await post(fields, { 'sec-fetch-site': 'cross-site' })).toMatchObject({ status: 403 })
  // Somebody else's form, however genuine.
  const other = await signIn()
  expect(await post(ownOf(other.browser, other.page))).toMatchObject({ status: 403 })
  expect(await browser.open('/account')).toMatchObject({ url: `${site.url}/account` })
  expect(await post(fields)).toMatchObject({ url: `${site.url}/sign-in` })
})

test('no form of any page is taken from another site, nor without its token', async () => {
  const { browser } = await signIn()
  const paths = [
    ...['/sign-in', '/sign-in/second-factor', '/sign-in/forgotten', '/sign-in/link/x', '/sign-in/password/x'],
    ...['/invitation/x', '/account', '/account/password', '/account/app', '/account/passkey', '/sign-out'],
  ]
  const fields = new URLSearchParams({ email: MAYA, password: PASSWORD, action: 'end-sessions' })
  for (const path of paths) {
    for (const headers of [{ origin: 'https://evil.test' }, { 'sec-fetch-site': 'cross-site' }])
      expect(await browser.post(path, fields, headers), path).toMatchObject({ status: 403 })
    const status = path === '/sign-in' ? 400 : 403
    expect(await browser.post(path, fields), path).toMatchObject({ status })
    const forged = new URLSearchParams([...fields, ['form', 'v1.forged'], ['ticket', 'v1.forged']])
    expect(await browser.post(path, forged), path).toMatchObject({ status })
  }
  // Nor is a button taken that no page has.
  const own = browser.fieldsOf(browser.formOf(await browser.open('/account'), 'action="/account"'))
  for (const action of ['constructor', 'toString x', '__proto__', '']) {
    own.set('action', action)
    expect(await browser.post('/account', own), action).toMatchObject({ status: 403 })
  }
  const signing = await createBrowser(site.url).open('/sign-in')
  const way = browser.fieldsOf(browser.formOf(signing, 'type="password"'))
  way.set('way', 'constructor')
  expect(await createBrowser(site.url).post('/sign-in', way)).toMatchObject({ status: 403 })
  expect(await browser.open('/account')).toMatchObject({ url: `${site.url}/account` })
})

test('pages are small, run nothing, cannot be framed, and set no cookie when they are looked at', async () => {
  const response = await fetch(`${site.url}/sign-in`)
  const text = await response.text()
  expect(Buffer.byteLength(text)).toBeLessThan(10_000)
  expect(text).not.toMatch(/<script|javascript:|\bon\w+=|style="/)
  expect(response.headers.getSetCookie()).toEqual([])
  const policy = response.headers.get('content-security-policy') ?? ''
  expect(policy).toMatch(
    /^default-src 'none'; style-src 'nonce-[^']+'; form-action 'self'; frame-ancestors 'none'/,
  )
  const nonce = /nonce-([^']+)'/.exec(policy)?.[1]
  expect(text).toContain(`<style nonce="${nonce}">`)
  expect(policy).not.toBe((await fetch(`${site.url}/sign-in`)).headers.get('content-security-policy'))
})

test('what went wrong has a reference, by which the log or the record tells more', async () => {
  const browser = createBrowser(site.url)
  for (const page of [
    await browser.open('/invitation/secret-of-nobody'),
    await browser.open('/sign-in/link/secret-of-nobody'),
    await browser.open('/interaction/other'),
    await browser.post('/sign-in/second-factor', new URLSearchParams({ code: '1' })),
  ]) {
    const reference = referenceOn(page)
    expect(page.headers.get('x-request-id')).toBe(reference)
    const entry = site.logged.find(({ requestId }) => requestId === reference)
    expect(entry).toMatchObject({ msg: 'a page said no', status: page.status })
    expect(JSON.stringify(entry)).not.toContain('secret-of-nobody')
  }
  const refused = await browser.open('/authorize?client_id=nobody&response_type=code')
  expect(refused).toMatchObject({ status: 400, text: expect.stringContaining('Connect it anew') })
  const events = async () => (await site.events('token.refused')).map(({ detail }) => detail)
  await expect
    .poll(events, { timeout: 10_000 })
    .toContainEqual(expect.objectContaining({ client: 'nobody', reference: referenceOn(refused) }))
})

test('none of the routes of the library behind it is there', async () => {
  for (const path of ['/api/auth/sign-up/email', '/api/auth/ok', '/sign-up/email', '/people/sign-in/email'])
    expect((await fetch(site.url + path, { method: 'POST' })).status, path).not.toBe(200)
})

test('where there are several organizations, the person says which, and none decides for another', async () => {
  await site.api.organizations.create({ slug: 'contoso', name: 'Contoso' })
  await site.api.people.create({ organization: 'contoso', email: MAYA, name: 'Another Maya' })
  const { url } = await site.api.invitations.create({ organization: 'contoso', id: MAYA })
  const browser = createBrowser(site.url)
  const password = 'nine green kettles'
  await browser.submit(await browser.open(url), { password, again: password })
  expect((await signIn({ organization: 'northwind' })).page.text).toContain(
    'Maya (maya@northwind.test), Northwind',
  )
  expect((await signIn({ organization: 'contoso', password })).page.text).toContain('Another Maya')
  expect((await signIn({ organization: 'contoso' })).page.status).toBe(401)
  expect((await signIn({ organization: 'nowhere' })).page.status).toBe(401)
})

test('guessing is slowed down by account and address, whether or not there is such an account', async () => {
  for (const email of ['maya@northwind.test', 'nobody@northwind.test']) {
    const statuses = []
    for (let tries = 0; tries < 7; tries++)
      statuses.push(
        (await signIn({ email, organization: 'contoso', password: `wrong guess ${tries}` })).page.status,
      )
    expect(statuses.slice(-1)).toEqual([429])
    expect(statuses).toContain(401)
  }
})

test.each([
  ['eleven char', 'short'],
  ['a'.repeat(30), 'common'],
  ['Password2024!!', 'common'],
  ['thisismypassword', 'common'],
  ['abcdefghijklmnop', 'common'],
  ['letmeinplease1', 'common'],
  ['qwertyuiop123456', 'common'],
  ['maya@northwind.test', 'like_name'],
  ['northwind2024!', 'like_name'],
  ['x'.repeat(3) + 'yzw'.repeat(70), 'long'],
  [PASSWORD, undefined],
  ['пять зелёных чайников', undefined],
])('password %j: %s', async (password, fault) => {
  expect(await findPasswordFault(password, [MAYA, 'maya', 'Maya', 'northwind'])).toBe(fault)
})
