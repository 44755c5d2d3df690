import { sql } from 'kysely'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { codeOf as codeAt, codesOn, secretOn } from './authenticator.ts'
import type { Browser, Shown } from './browser.ts'
import { openPeopleSite, PASSWORD, type PeopleSite } from './people-site.ts'

// Passwords are meant to take long, and longer where other tests run.
vi.setConfig({ testTimeout: 60_000 })

let site: PeopleSite

beforeAll(async () => {
  site = await openPeopleSite()
}, 60_000)

afterAll(() => site?.close())

const codeOf = (secret: string, steps = 0) => codeAt(secret, site.now(), steps)

/** Somebody with a password and an authenticator app. */
async function withApp(email: string) {
  const person = await site.invited(email, 'Maya')
  const { browser } = await site.signIn({ email })
  const page = await browser.open('/account/app')
  const secret = secretOn(page)
  const codes = codesOn(await browser.send(page, 'name="code"', { code: await codeOf(secret) }))
  // The next code: the one that was used to set it up is used up.
  site.passTime(1)
  return { person, browser, secret, codes, email }
}

async function begin(email: string): Promise<{ browser: Browser; page: Shown }> {
  const { browser, page } = await site.signIn({ email })
  expect(page.text).toContain('One more step')
  return { browser, page }
}

const removal = ({ text }: Shown) => /value="(remove-factor [^"]+)"/.exec(text)?.[1] ?? ''

const tryCode = (browser: Browser, page: Shown, code: string) => browser.send(page, 'name="code"', { code })

test('who has set an app up signs in with password and code, and with none of them alone', async () => {
  const { secret, email, person } = await withApp('ada@northwind.test')
  const { browser, page } = await begin(email)
  expect(page.headers.getSetCookie()).toEqual([])
  expect(await browser.open('/account')).toMatchObject({ url: `${site.url}/sign-in` })
  expect(await tryCode(browser, page, '000000')).toMatchObject({ status: 401 })
  expect(await tryCode(browser, page, await codeOf(secret))).toMatchObject({ url: `${site.url}/account` })
  await expect
    .poll(() => site.events('person.signed_in'), { timeout: 10_000 })
    .toContainEqual(
      expect.objectContaining({
        target: person.id,
        detail: expect.objectContaining({ methods: ['password', 'totp'], secondFactor: true }),
      }),
    )
})

test('a code is good once, also for two who send it at once, and a code before it never again', async () => {
  const { secret, email } = await withApp('bea@northwind.test')
  const [one, two] = [await begin(email), await begin(email)]
  const [early, late] = [await codeOf(secret), await codeOf(secret, 1)]
  const both = await Promise.all([one, two].map(({ browser, page }) => tryCode(browser, page, late)))
  expect(both.map(({ status, url }) => [status, url.endsWith('/account')]).sort()).toEqual([
    [200, true],
    [401, false],
  ])
  const three = await begin(email)
  for (const code of [late, early, await codeOf(secret, 5), await codeOf(secret, -5)])
    expect(await tryCode(three.browser, three.page, code)).toMatchObject({ status: 401 })
})

test('a recovery code is good once, and only hashes are kept', async () => {
  const { codes, email, person } = await withApp('cleo@northwind.test')
  expect(codes).toHaveLength(10)
  const [code = ''] = codes
  const first = await begin(email)
  const typed = code.toUpperCase().replaceAll('-', ' ')
  expect(await tryCode(first.browser, first.page, typed)).toMatchObject({ url: `${site.url}/account` })
  const second = await begin(email)
  expect(await tryCode(second.browser, second.page, code)).toMatchObject({ status: 401 })
  const rows = await site.store.db
    .selectFrom('recoveryCode')
    .selectAll()
    .where('personId', '=', person.id)
    .execute()
  expect(rows).toHaveLength(9)
  expect(JSON.stringify(rows)).not.toContain(code)
  const app = await site.store.db.selectFrom('totp').selectAll().where('personId', '=', person.id).execute()
  expect(app[0]?.sealedSecret).toMatch(/^v1\./)
})

test('codes cannot be guessed: after five wrong ones there is nothing to try, wherever from', async () => {
  const { secret, email } = await withApp('dora@northwind.test')
  const statuses = []
  for (let n = 0; n < 6; n++) {
    const { browser, page } = await begin(email)
    statuses.push((await tryCode(browser, page, String(n).repeat(6))).status)
  }
  expect(statuses).toEqual([401, 401, 401, 401, 401, 429])
  const { browser, page } = await begin(email)
  expect(await tryCode(browser, page, await codeOf(secret))).toMatchObject({ status: 429 })
  site.passTime(16)
  const later = await begin(email)
  expect(await tryCode(later.browser, later.page, await codeOf(secret))).toMatchObject({
    url: `${site.url}/account`,
  })
})

test('what was proved so far is good for ten minutes, for this person, and until something changes', async () => {
  const { secret, email, person } = await withApp('eve@northwind.test')
  const late = await begin(email)
  site.passTime(11)
  expect(await tryCode(late.browser, late.page, await codeOf(secret))).toMatchObject({ status: 403 })
  const forged = await begin(email)
  const fields = { ticket: 'v1.forged', code: await codeOf(secret), action: 'code' }
  expect(await forged.browser.send(forged.page, 'name="code"', fields)).toMatchObject({ status: 403 })
  const changed = await begin(email)
  await site.api.people.signOut({ id: person.id, reason: 'to be sure' })
  expect(await tryCode(changed.browser, changed.page, await codeOf(secret))).toMatchObject({ status: 403 })
  const suspended = await begin(email)
  await site.api.people.update({ id: person.id, status: 'suspended' })
  expect(await tryCode(suspended.browser, suspended.page, await codeOf(secret))).toMatchObject({
    status: 403,
  })
})

test('nobody sets up another factor with a password alone, where there is one', async () => {
  const { email } = await withApp('fay@northwind.test')
  const { browser, page } = await begin(email)
  const wrong = await browser.send(page, 'name="code"', {
    action: 'set-up-app',
    code: '123456',
    secret: 'v1.x',
  })
  expect([wrong.status, wrong.text.includes('set up already')]).toEqual([401, true])
  expect(await browser.open('/account')).toMatchObject({ url: `${site.url}/sign-in` })
})

test('where a second factor is required, who has none sets one up on the way in, and keeps it', async () => {
  await site.invited('gil@northwind.test', 'Gil')
  await site.api.signIn.update({ id: 'northwind', secondFactor: 'required' })
  const { browser, page } = await site.signIn({ email: 'gil@northwind.test' })
  const secret = secretOn(page)
  const wrong = await tryCode(browser, page, '000000')
  expect([wrong.status, secretOn(wrong)]).toEqual([401, secret])
  const both = await Promise.all([1, 2].map(async () => tryCode(browser, page, await codeOf(secret))))
  expect(both.map(page => codesOn(page).length).sort()).toEqual([0, 10])
  expect(await browser.open('/account')).toMatchObject({ url: `${site.url}/account` })
  const account = await browser.open('/account')
  const kept = await browser.send(account, 'remove-factor', { action: removal(account) })
  expect([kept.status, kept.text.includes('Set up another one')]).toEqual([409, true])
  await site.api.signIn.update({ id: 'northwind', secondFactor: 'optional' })
})

test('setting up and taking away ends all other sessions, is mailed, and asks who was signed in for long', async () => {
  const { browser, email, person } = await withApp('hal@northwind.test')
  expect(site.mails.at(-1)).toMatchObject({ to: email, subject: 'How you sign in was changed' })
  site.passTime(15)
  const account = await browser.open('/account')
  const stale = await browser.send(account, 'remove-factor', { action: removal(account) })
  expect([stale.status, stale.text.includes('once more')]).toEqual([403, true])
  const { items } = await site.api.factors.list({ id: person.id })
  expect(items).toMatchObject([{ kind: 'totp', person: person.id }])
  await site.api.factors.remove({ id: person.id, factor: items[0]?.id ?? '' })
  expect(await browser.open('/account')).toMatchObject({ url: `${site.url}/sign-in` })
  const again = await site.signIn({ email })
  expect(again.page.url).toBe(`${site.url}/account`)
  expect(again.page.text).not.toContain('Recovery codes')
  await expect(site.api.factors.remove({ id: person.id, factor: 'fac_none' })).rejects.toMatchObject({
    status: 404,
  })
})

test('to change something is not to sign in anew: who has signed in for ten minutes is asked all the same', async () => {
  const { browser, person } = await withApp('kit@northwind.test')
  site.passTime(8)
  const account = await browser.open('/account')
  const changed = await browser.send(account, 'remove-factor', { action: removal(account) })
  expect(changed.url).toBe(`${site.url}/account?done=removed`)
  site.passTime(2)
  const page = await browser.open('/account/app')
  expect([page.status, page.text.includes('once more')]).toEqual([403, true])
  await site.api.people.signOut({ id: person.id, reason: 'seen' })
  const isOfKit = ({ target }: { target: string }) => target === person.id
  await vi.waitFor(async () =>
    expect((await site.events('person.signed_out_everywhere')).filter(isOfKit)).toHaveLength(1),
  )
  expect((await site.events('person.signed_in')).filter(isOfKit)).toHaveLength(1)
})

/** Has somebody else end all sessions of a person in the moment in which a statement runs. */
async function endingAt(moment: string, person: string, act: () => Promise<unknown>) {
  const { db } = site.store
  await sql`create trigger meanwhile after ${sql.raw(moment)} begin
    update principal set session_epoch = session_epoch + 1 where id = ${sql.lit(person)}; end`.execute(db)
  await act()
  await sql`drop trigger meanwhile`.execute(db)
}

test('who is signed out everywhere in the moment of a change, or of the second step, stays signed out', async () => {
  const { browser, person, secret, email } = await withApp('lou@northwind.test')
  const { browser: other, page } = await begin(email)
  const code = await codeOf(secret)
  await endingAt('update of last_step on totp', person.id, () => tryCode(other, page, code))
  expect(await other.open('/account')).toMatchObject({ url: `${site.url}/sign-in` })
  site.passTime(1)
  const again = await begin(email)
  const account = await tryCode(again.browser, again.page, await codeOf(secret))
  expect(account.url).toBe(`${site.url}/account`)
  await endingAt('delete on totp', person.id, () =>
    again.browser.send(account, 'remove-factor', { action: removal(account) }),
  )
  for (const one of [browser, again.browser])
    expect(await one.open('/account')).toMatchObject({ url: `${site.url}/sign-in` })
})

test('new recovery codes make the old ones void', async () => {
  const { browser, codes, email } = await withApp('ida@northwind.test')
  const fresh = codesOn(
    await browser.send(await browser.open('/account'), 'recovery-codes', { action: 'recovery-codes' }),
  )
  expect(fresh).toHaveLength(10)
  const { browser: other, page } = await begin(email)
  expect(await tryCode(other, page, codes[3] ?? '')).toMatchObject({ status: 401 })
  expect(await tryCode(other, page, fresh[3] ?? '')).toMatchObject({ url: `${site.url}/account` })
})

test('the pages are small and run nothing', async () => {
  await site.invited('jo@northwind.test', 'Jo')
  const { browser } = await site.signIn({ email: 'jo@northwind.test', password: PASSWORD })
  for (const path of ['/account', '/account/app', '/account/password']) {
    const { text } = await browser.open(path)
    expect(Buffer.byteLength(text), path).toBeLessThan(10_000)
    expect(text, path).not.toMatch(/<script|javascript:|\bon\w+=|style="/)
  }
})
