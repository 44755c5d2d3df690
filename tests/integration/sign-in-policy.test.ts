import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { createBrowser } from './browser.ts'
import { openPeopleSite, PASSWORD, type PeopleSite } from './people-site.ts'
import { start } from './product.ts'
import { openTerminal } from './terminal.ts'

const MAYA = 'maya@northwind.test'
const EVERYTHING = {
  methods: ['password', 'passkey', 'link', 'oidc', 'saml'],
  secondFactor: 'optional',
  sessionMinutes: 720,
}

// Passwords are meant to take long, and longer where other tests run.
vi.setConfig({ testTimeout: 60_000 })

let site: PeopleSite

beforeAll(async () => {
  site = await openPeopleSite()
  await site.invited(MAYA, 'Maya')
}, 60_000)

afterAll(() => site?.close())

test('200: an organization says how its people sign in, and the record says who changed it', async () => {
  await using product = await start()
  const admin = product.client()
  const { id } = await admin.organizations.create({ slug: 'northwind', name: 'Northwind' })
  expect(await admin.signIn.get({ id: 'northwind' })).toEqual({ organization: id, ...EVERYTHING })
  const changed = { methods: ['passkey' as const, 'password' as const], secondFactor: 'required' as const }
  const after = { ...EVERYTHING, ...changed }
  expect(await admin.signIn.update({ id, ...changed })).toEqual({ organization: id, ...after })
  await admin.signIn.update({ id, secondFactor: 'required' })
  const changes = (await product.events()).filter(({ type }) => type === 'organization.sign_in_changed')
  expect(changes).toMatchObject([{ target: id, detail: { before: EVERYTHING, after } }])
})

test('400, 403, 404: what is no policy changes nothing', async () => {
  await using product = await start()
  const admin = product.client()
  await admin.organizations.create({ slug: 'northwind', name: 'Northwind' })
  for (const body of [
    { methods: [] },
    { methods: ['password', 'password'] },
    { methods: ['guess'] },
    { secondFactor: 'never' },
    { sessionMinutes: 4 },
    { sessionMinutes: 43_201 },
  ])
    expect(await product.request('PATCH', '/organizations/northwind/sign-in', body)).toMatchObject({
      status: 400,
    })
  const reader = product.client('organization:read')
  await expect(reader.signIn.update({ id: 'northwind', sessionMinutes: 60 })).rejects.toMatchObject({
    status: 403,
  })
  await expect(admin.signIn.update({ id: 'nowhere', sessionMinutes: 60 })).rejects.toMatchObject({
    status: 404,
  })
  expect(await reader.signIn.get({ id: 'northwind' })).toMatchObject(EVERYTHING)
})

test('policy files and the command line say it too', async () => {
  await using product = await start()
  const admin = product.client()
  await admin.organizations.create({ slug: 'northwind', name: 'Northwind' })
  const policy = { version: 1, organization: 'northwind', signIn: { secondFactor: 'required' } }
  expect((await admin.policy.apply({ policy })).changes).toEqual([
    { sign: '~', kind: 'sign-in', name: 'northwind', detail: 'secondFactor optional -> required' },
  ])
  expect((await admin.policy.apply({ policy })).changes).toEqual([])
  await using terminal = await openTerminal(product)
  const set = ['--method', 'passkey,password', '--session-minutes', '60']
  const shown = await terminal.valetkey(['org', 'sign-in', 'northwind', ...set])
  expect(shown.out).toMatch(/^methods\tpasskey, password\nsecond factor\trequired\nsession minutes\t60\n/)
  expect((await terminal.valetkey(['org', 'sign-in', 'northwind'])).out).toBe(shown.out)
  const wrong = await terminal.valetkey(['org', 'sign-in', 'northwind', '--method', 'guess'])
  expect(wrong.code).not.toBe(0)
})

test('a session lasts as long as the policy of today says', async () => {
  const { browser, page } = await site.signIn({ email: MAYA })
  expect(page.url).toBe(`${site.url}/account`)
  site.passTime(30)
  expect(await browser.open('/account')).toMatchObject({ url: `${site.url}/account` })
  await site.api.signIn.update({ id: 'northwind', sessionMinutes: 20 })
  expect(await browser.open('/account')).toMatchObject({ url: `${site.url}/sign-in` })
  await site.api.signIn.update({ id: 'northwind', sessionMinutes: 720 })
})

test('a way to sign in that the organization takes back opens nothing, and ends what it had opened', async () => {
  const { browser } = await site.signIn({ email: MAYA })
  const before = await browser.open('/sign-in/forgotten')
  const other = createBrowser(site.url)
  const open = await other.open('/sign-in')
  await site.api.signIn.update({ id: 'northwind', methods: ['passkey'] })
  expect(await browser.open('/account')).toMatchObject({ url: `${site.url}/sign-in` })
  const refused = await other.submit(open, { email: MAYA, password: PASSWORD })
  expect([refused.status, refused.text.includes('does not take this way')]).toEqual([403, true])
  expect(refused.text).not.toContain('type="password"')
  expect(await browser.submit(before, { email: MAYA })).toMatchObject({ status: 403 })
  await site.api.signIn.update({ id: 'northwind', methods: ['password'] })
  expect((await site.signIn({ email: MAYA })).page.url).toBe(`${site.url}/account`)
})

test('where passwords are not taken, none is set either', async () => {
  const email = 'per@northwind.test'
  await site.api.signIn.update({ id: 'northwind', methods: ['password', 'link'] })
  await site.invited(email, 'Per')
  const browser = createBrowser(site.url)
  await browser.submit(await browser.open('/sign-in'), { email, way: 'link' })
  const link = /^http\S+$/m.exec(site.mails.at(-1)?.text ?? '')?.[0] ?? ''
  expect((await browser.submit(await browser.open(link))).url).toBe(`${site.url}/account`)
  const { url } = await site.api.invitations.create({ id: email })
  const invited = createBrowser(site.url)
  const [asked, own] = [await invited.open(url), await browser.open('/account/password')]
  await site.api.signIn.update({ id: 'northwind', methods: ['link'] })
  const password = { password: 'nine green kettles', again: 'nine green kettles' }
  const sent = await invited.send(asked, 'name="again"', password)
  const changed = await browser.send(own, 'name="again"', { ...password, old: PASSWORD })
  expect([sent.status, changed.url]).toEqual([403, `${site.url}/account`])
  expect((await browser.open('/account/password')).url).toBe(`${site.url}/account`)
  expect(await site.events('person.password_set')).not.toContainEqual(
    expect.objectContaining({ detail: { by: 'person' } }),
  )
  await site.api.signIn.update({ id: 'northwind', methods: ['password', 'link'] })
})

test('where a second factor is required, a password alone opens nothing', async () => {
  const { browser } = await site.signIn({ email: MAYA })
  await site.api.signIn.update({ id: 'northwind', secondFactor: 'required' })
  expect(await browser.open('/account')).toMatchObject({ url: `${site.url}/sign-in` })
  const { browser: again, page } = await site.signIn({ email: MAYA })
  expect(page.text).toContain('Set up a second factor')
  expect(page.headers.getSetCookie()).toEqual([])
  expect(await again.open('/account')).toMatchObject({ url: `${site.url}/sign-in` })
  await site.api.signIn.update({ id: 'northwind', secondFactor: 'optional' })
})

test('the sessions of a person who was suspended do not come back with the person', async () => {
  const lea = await site.invited('lea@northwind.test', 'Lea')
  const { browser } = await site.signIn({ email: 'lea@northwind.test' })
  await site.api.people.update({ id: lea.id, status: 'suspended' })
  expect(await browser.open('/account')).toMatchObject({ url: `${site.url}/sign-in` })
  await site.api.people.update({ id: lea.id, status: 'active', reason: 'looked into' })
  expect(await browser.open('/account')).toMatchObject({ url: `${site.url}/sign-in` })
  expect((await site.signIn({ email: 'lea@northwind.test' })).page.url).toBe(`${site.url}/account`)
})
