import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { codeOf } from '../integration/authenticator.ts'
import { openPeopleSite, PASSWORD, type PeopleSite } from '../integration/people-site.ts'
import { inspectPage, openChromium } from './chromium.ts'
import { type MailSink, openMailSink } from './mail-sink.ts'

let chromium: Browser
let site: PeopleSite
let sink: MailSink

beforeAll(async () => {
  ;[chromium, sink] = await Promise.all([openChromium(), openMailSink()])
  // Passkeys belong to a host name.
  site = await openPeopleSite({ mailUrl: sink.url, mailFrom: 'Valet Key <auth@northwind.test>' }, 'localhost')
})

afterAll(async () => {
  await chromium?.close()
  await site?.close()
  await sink?.close()
})

/** The last mail to somebody, and the link in it. */
async function mailTo(email: string, subject: string) {
  const find = () => sink.mails.findLast(mail => mail.to.includes(email) && mail.subject === subject)
  await expect.poll(find, { timeout: 20_000 }).toBeDefined()
  const mail = find()
  return { mail, url: /^http\S+$/m.exec(mail?.text ?? '')?.[0] ?? '' }
}

async function typePassword(page: Page, email: string): Promise<void> {
  await page.goto(`${site.url}/sign-in`)
  await page.getByLabel('Email address').fill(email)
  await page.getByLabel('Password').fill(PASSWORD)
  await page.getByRole('button', { name: 'Sign in' }).click()
}

const atAccount = (page: Page) => page.waitForURL(url => url.pathname === '/account')

async function signOut(page: Page): Promise<void> {
  await page.getByRole('button', { name: 'Sign out', exact: true }).click()
  await page.waitForURL(`${site.url}/sign-in`)
}

/** A device with a fingerprint reader, and somebody's finger on it. */
async function addAuthenticator(context: BrowserContext, page: Page, isUserVerified = true): Promise<void> {
  const devtools = await context.newCDPSession(page)
  await devtools.send('WebAuthn.enable')
  await devtools.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      ...{ protocol: 'ctap2', transport: 'internal', hasResidentKey: true, hasUserVerification: true },
      ...{ isUserVerified, automaticPresenceSimulation: true },
    },
  })
}

test('an invitation by mail, a password, and signing in by keyboard alone', async () => {
  const context = await chromium.newContext()
  const page = await context.newPage()
  await site.api.people.create({ email: 'maya@northwind.test', name: 'Maya' })
  await site.api.invitations.create({ id: 'maya@northwind.test', mail: true })
  const { mail, url } = await mailTo('maya@northwind.test', 'Your account at Northwind')
  expect(mail?.from).toBe('auth@northwind.test')
  await page.goto(url)
  expect(await inspectPage(page, 'choose-password')).toEqual([])
  await page.getByLabel('New password').fill(PASSWORD)
  await page.getByLabel('The same again').fill(PASSWORD)
  await page.getByRole('button', { name: 'Set password' }).click()
  await page.getByText('Your password is set').waitFor()
  await page.goto(`${site.url}/sign-in`)
  expect(await inspectPage(page, 'sign-in')).toEqual([])
  for (const text of ['maya@northwind.test', PASSWORD]) {
    await page.keyboard.press('Tab')
    await page.keyboard.type(text)
  }
  await page.keyboard.press('Enter')
  await atAccount(page)
  await context.close()
})

test('password and authenticator app; signing in takes no script at all', async () => {
  await site.invited('tom@northwind.test', 'Tom')
  const context = await chromium.newContext()
  const page = await context.newPage()
  await typePassword(page, 'tom@northwind.test')
  await atAccount(page)
  await page.getByRole('link', { name: 'Set up: Authenticator app' }).click()
  expect(await inspectPage(page, 'set-up-app')).toEqual([])
  const secret = (await page.locator('code').innerText()).replaceAll(' ', '')
  await page.getByLabel('Six digits from the app').fill(await codeOf(secret, site.now()))
  await page.getByRole('button', { name: 'Set up' }).click()
  await page.getByRole('heading', { name: 'Keep your recovery codes' }).waitFor()
  expect(await inspectPage(page, 'recovery-codes')).toEqual([])
  await page.getByRole('link', { name: 'I have kept them' }).click()
  await atAccount(page)
  await mailTo('tom@northwind.test', 'How you sign in was changed')
  const plain = await chromium.newContext({ javaScriptEnabled: false })
  const window = await plain.newPage()
  site.passTime(1)
  await typePassword(window, 'tom@northwind.test')
  await window.getByLabel('Code from your authenticator app').fill(await codeOf(secret, site.now()))
  await window.getByRole('button', { name: 'Continue' }).click()
  await atAccount(window)
  await page.reload()
  expect(await inspectPage(page, 'account')).toEqual([])
  await page.getByRole('link', { name: 'Change: Password' }).click()
  expect(await inspectPage(page, 'change-password')).toEqual([])
  await page.getByRole('link', { name: 'Back to your account' }).click()
  await page.getByRole('button', { name: 'Sign out everywhere' }).click()
  await page.waitForURL(`${site.url}/sign-in`)
  await typePassword(page, 'tom@northwind.test')
  await page.getByRole('heading', { name: 'One more step' }).waitFor()
  expect(await inspectPage(page, 'second-factor')).toEqual([])
  await Promise.all([context.close(), plain.close()])
})

test('a passkey: added, signed in with alone, and shown as the second factor', async () => {
  await site.invited('ida@northwind.test', 'Ida')
  const context = await chromium.newContext()
  const page = await context.newPage()
  await addAuthenticator(context, page)
  await typePassword(page, 'ida@northwind.test')
  await atAccount(page)
  await page.getByRole('link', { name: 'Add: A passkey on this device' }).click()
  expect(await inspectPage(page, 'add-passkey')).toEqual([])
  await page.getByLabel('What you call it').fill('laptop')
  await page.getByRole('button', { name: 'Add' }).click()
  await page.getByRole('link', { name: 'I have kept them' }).click()
  await page.getByText('Passkey “laptop”').waitFor()
  await signOut(page)
  await page.getByRole('button', { name: 'Use a passkey' }).click()
  await atAccount(page)
  await signOut(page)
  await typePassword(page, 'ida@northwind.test')
  await page.getByRole('heading', { name: 'One more step' }).waitFor()
  expect(await inspectPage(page, 'second-factor-passkey')).toEqual([])
  await page.getByRole('button', { name: 'Use a passkey' }).click()
  await atAccount(page)
  const { items } = await site.api.audit.changes({ type: 'person.signed_in', limit: 200 })
  expect(items.map(({ detail }) => (detail as { methods: string[] }).methods.join())).toEqual(
    expect.arrayContaining(['passkey', 'password,passkey']),
  )
  await context.close()
})

test('where a second factor is required, a passkey is set up on the way in', async () => {
  await site.invited('pia@northwind.test', 'Pia')
  await site.api.signIn.update({ id: 'northwind', secondFactor: 'required' })
  const context = await chromium.newContext()
  const page = await context.newPage()
  await addAuthenticator(context, page)
  await typePassword(page, 'pia@northwind.test')
  await page.getByRole('heading', { name: 'Set up a second factor' }).waitFor()
  expect(await inspectPage(page, 'set-up')).toEqual([])
  await page.getByRole('button', { name: 'Use a passkey' }).click()
  await page.getByRole('link', { name: 'I have kept them' }).click()
  await atAccount(page)
  await site.api.signIn.update({ id: 'northwind', secondFactor: 'optional' })
  await context.close()
})

test('a device that does not ask who holds it is no passkey here', async () => {
  await site.invited('lea@northwind.test', 'Lea')
  const context = await chromium.newContext()
  const page = await context.newPage()
  await addAuthenticator(context, page, false)
  await typePassword(page, 'lea@northwind.test')
  await atAccount(page)
  await page.goto(`${site.url}/account/passkey`)
  await page.getByRole('button', { name: 'Add' }).click()
  await page.getByRole('alert').waitFor()
  expect((await site.api.factors.list({ id: 'lea@northwind.test' })).items).toEqual([])
  await context.close()
})

test('a link by mail, in the browser that asked and in another one; and a new password by mail', async () => {
  await site.invited('jon@northwind.test', 'Jon')
  const context = await chromium.newContext()
  const page = await context.newPage()
  await page.goto(`${site.url}/sign-in`)
  await page.getByLabel('Email address').fill('jon@northwind.test')
  await page.getByRole('button', { name: 'Email me a link' }).click()
  await page.getByRole('heading', { name: 'Look into your mail' }).waitFor()
  expect(await inspectPage(page, 'look-into-mail')).toEqual([])
  const { url } = await mailTo('jon@northwind.test', 'Your link to sign in')
  const phone = await chromium.newContext()
  const elsewhere = await phone.newPage()
  await elsewhere.goto(url)
  await elsewhere.getByText('asked for in another browser').waitFor()
  expect(await inspectPage(elsewhere, 'link-elsewhere')).toEqual([])
  await page.goto(url)
  expect(await inspectPage(page, 'link')).toEqual([])
  await page.getByRole('button', { name: 'Sign in' }).click()
  await atAccount(page)
  await elsewhere.getByRole('button', { name: 'Sign in' }).click()
  await elsewhere.getByText('was used or has expired').waitFor()
  await elsewhere.goto(`${site.url}/sign-in`)
  await elsewhere.getByRole('link', { name: 'Forgot your password?' }).click()
  expect(await inspectPage(elsewhere, 'forgotten')).toEqual([])
  await elsewhere.getByLabel('Email address').fill('jon@northwind.test')
  await elsewhere.getByRole('button', { name: 'Email me a link' }).click()
  await elsewhere.goto((await mailTo('jon@northwind.test', 'A new password for your account')).url)
  await elsewhere.getByRole('heading', { name: 'Choose a password' }).waitFor()
  await Promise.all([context.close(), phone.close()])
})
