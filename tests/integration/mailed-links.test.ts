import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { createBrowser } from './browser.ts'
import { openPeopleSite, PASSWORD, type PeopleSite } from './people-site.ts'

// Passwords are meant to take long, and longer where other tests run.
vi.setConfig({ testTimeout: 60_000 })

const NEW = 'nine green kettles'

let site: PeopleSite

beforeAll(async () => {
  site = await openPeopleSite()
}, 60_000)

afterAll(() => site?.close())

/** Asks for a link in a new browser, and gives the one that was mailed. */
async function askFor(email: string, kind: 'link' | 'password' = 'link') {
  const browser = createBrowser(site.url)
  const before = site.mails.length
  const page =
    kind === 'link'
      ? await browser.submit(await browser.open('/sign-in'), { email, way: 'link' })
      : await browser.submit(await browser.open('/sign-in/forgotten'), { email })
  const [mail] = site.mails.slice(before)
  return { browser, page, mail, url: /^http\S+$/m.exec(mail?.text ?? '')?.[0] ?? '' }
}

test('a link signs in once, in the browser that asked; opening it changes nothing', async () => {
  await site.invited('ada@northwind.test', 'Ada')
  const { browser, page, mail, url } = await askFor('ada@northwind.test')
  expect(page.status).toBe(200)
  expect(mail).toMatchObject({ to: 'ada@northwind.test', subject: 'Your link to sign in' })
  for (let n = 0; n < 3; n++) expect(await createBrowser(site.url).open(url)).toMatchObject({ status: 200 })
  const open = await browser.open(url)
  expect(open.text).not.toContain('another browser')
  const both = await Promise.all([1, 2].map(() => browser.submit(open)))
  expect(both.map(({ status }) => status).sort()).toEqual([200, 404])
  expect(await browser.open('/account')).toMatchObject({ url: `${site.url}/account` })
  expect(await browser.open(url)).toMatchObject({ status: 404 })
  await expect
    .poll(() => site.events('person.signed_in'), { timeout: 10_000 })
    .toContainEqual(expect.objectContaining({ detail: expect.objectContaining({ methods: ['link'] }) }))
})

test('opened elsewhere it says so, signs in there alone, and the browser that asked gains nothing', async () => {
  await site.invited('bea@northwind.test', 'Bea')
  const { browser, url } = await askFor('bea@northwind.test')
  const phone = createBrowser(site.url)
  const open = await phone.open(url)
  expect(open.text).toContain('asked for in another browser')
  expect(await phone.submit(open)).toMatchObject({ url: `${site.url}/account` })
  expect(await browser.open('/account')).toMatchObject({ url: `${site.url}/sign-in` })
})

test('a link ends after a quarter of an hour, and with a suspension', async () => {
  const person = await site.invited('cleo@northwind.test', 'Cleo')
  const { browser, url } = await askFor('cleo@northwind.test')
  const open = await browser.open(url)
  site.passTime(16)
  expect(await browser.submit(open)).toMatchObject({ status: 404 })
  const next = await askFor('cleo@northwind.test')
  await site.api.people.update({ id: person.id, status: 'suspended' })
  expect(await next.browser.open(next.url)).toMatchObject({ status: 404 })
})

test('whoever is not there gets the same answer and the same traces, and no mail', async () => {
  await site.invited('dora@northwind.test', 'Dora')
  const count = async () => {
    const { many } = await site.store.db
      .selectFrom('signInLink')
      .select(eb => eb.fn.countAll<number>().as('many'))
      .executeTakeFirstOrThrow()
    return Number(many)
  }
  for (const kind of ['link', 'password'] as const) {
    const before = await count()
    const known = await askFor('dora@northwind.test', kind)
    const unknown = await askFor('nobody@northwind.test', kind)
    const strip = (text: string) => text.replaceAll(/nonce="[^"]*"/g, '')
    expect(strip(unknown.page.text)).toBe(strip(known.page.text))
    expect(unknown.page.status).toBe(known.page.status)
    expect([known.mail === undefined, unknown.mail === undefined]).toEqual([false, true])
    expect(await count()).toBe(before + 2)
  }
  const rows = await site.store.db.selectFrom('signInLink').selectAll().execute()
  expect(JSON.stringify(rows)).not.toContain('vk_lnk')
})

test('one account is mailed three times in a quarter of an hour, and one network asks ten times', async () => {
  site.passTime(20)
  await site.invited('eve@northwind.test', 'Eve')
  const before = site.mails.length
  const statuses = []
  for (let n = 0; n < 11; n++) statuses.push((await askFor('eve@northwind.test')).page.status)
  expect(statuses).toEqual([...Array(10).fill(200), 429])
  expect(site.mails.slice(before).filter(({ to }) => to === 'eve@northwind.test')).toHaveLength(3)
  site.passTime(20)
})

test('a forgotten password is set anew by mail: once, by its rules, and ends what was signed in', async () => {
  await site.invited('fay@northwind.test', 'Fay')
  const { browser: old } = await site.signIn({ email: 'fay@northwind.test' })
  const { browser, url } = await askFor('fay@northwind.test', 'password')
  const page = await browser.open(url)
  expect(await browser.submit(page, { password: 'short', again: 'short' })).toMatchObject({ status: 400 })
  expect(await old.open('/account')).toMatchObject({ url: `${site.url}/account` })
  const both = await Promise.all([1, 2].map(() => browser.submit(page, { password: NEW, again: NEW })))
  expect(both.map(({ status }) => status).sort()).toEqual([200, 404])
  expect(await old.open('/account')).toMatchObject({ url: `${site.url}/sign-in` })
  expect((await site.signIn({ email: 'fay@northwind.test' })).page.status).toBe(401)
  expect((await site.signIn({ email: 'fay@northwind.test', password: NEW })).page.url).toBe(
    `${site.url}/account`,
  )
  expect(site.mails.at(-1)).toMatchObject({ subject: 'How you sign in was changed' })
})

test('a link for one thing is none for the other', async () => {
  await site.invited('gil@northwind.test', 'Gil')
  const { browser, url } = await askFor('gil@northwind.test')
  expect(await browser.open(url.replace('/link/', '/password/'))).toMatchObject({ status: 404 })
  expect(await browser.open(url)).toMatchObject({ status: 200 })
})

test('an invitation is mailed where that is asked for, and refused where nothing can be mailed', async () => {
  await site.api.people.create({ email: 'hal@northwind.test', name: 'Hal' })
  const { url } = await site.api.invitations.create({ id: 'hal@northwind.test', mail: true })
  expect(site.mails.at(-1)).toMatchObject({ to: 'hal@northwind.test', text: expect.stringContaining(url) })
})

test('the outbox is for this machine, under a name of it', async () => {
  expect((await fetch(`${site.url}/outbox`)).status).toBe(200)
  const { port } = new URL(site.url)
  const { request } = await import('node:http')
  const status = await new Promise(resolve => {
    const headers = { host: `evil.test:${port}` }
    request({ port, host: '127.0.0.1', path: '/outbox', headers }, response =>
      resolve(response.statusCode),
    ).end()
  })
  expect(status).toBe(404)
})

test('a changed password needs the old one, ends other sessions, and guessing it is slowed down', async () => {
  await site.invited('ida@northwind.test', 'Ida')
  const { browser: other } = await site.signIn({ email: 'ida@northwind.test' })
  const { browser } = await site.signIn({ email: 'ida@northwind.test' })
  const page = await browser.open('/account/password')
  const send = (old: string) => browser.submit(page, { old, password: NEW, again: NEW })
  expect(await send('not the old one')).toMatchObject({ status: 400 })
  expect(await other.open('/account')).toMatchObject({ url: `${site.url}/account` })
  const done = await send(PASSWORD)
  expect(done.text).toContain('Your password was changed')
  expect(await other.open('/account')).toMatchObject({ url: `${site.url}/sign-in` })
  expect(await send(NEW)).toMatchObject({ status: 403 })
  const again = await browser.open('/account/password')
  const statuses = []
  for (let n = 0; n < 6; n++)
    statuses.push(
      (await browser.submit(again, { old: `guess number ${n}`, password: NEW, again: NEW })).status,
    )
  expect(statuses).toEqual([400, 400, 400, 400, 400, 429])
})

test('sessions are listed, ended one by one, and all at once', async () => {
  site.passTime(20)
  await site.invited('jo@northwind.test', 'Jo')
  const [one, two, three] = await Promise.all(
    [1, 2, 3].map(() => site.signIn({ email: 'jo@northwind.test' })),
  )
  const { browser } = one as NonNullable<typeof one>
  const endings = async (of: typeof browser) =>
    [...(await of.open('/account')).text.matchAll(/value="(end-session [^"]+)"/g)].map(
      ([, value]) => value ?? '',
    )
  const [first = '', second = '', ...others] = await endings(browser)
  expect([second === '', others]).toEqual([false, []])
  await browser.send(await browser.open('/account'), 'end-sessions', { action: first })
  const alive = await Promise.all([two, three].map(async it => (await it?.browser.open('/account'))?.url))
  expect(alive.sort()).toEqual([`${site.url}/account`, `${site.url}/sign-in`])
  // Somebody else's session is none of hers.
  const eve = await site.signIn({ email: 'eve@northwind.test' })
  await eve.browser.send(eve.page, 'action="/account"', { action: second })
  expect(await endings(browser)).toEqual([second])
  await browser.send(await browser.open('/account'), 'end-sessions', { action: 'end-sessions' })
  for (const it of [one, two, three])
    expect(await it?.browser.open('/account')).toMatchObject({ url: `${site.url}/sign-in` })
})
