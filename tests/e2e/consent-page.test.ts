import type { Browser, BrowserContext, Locator, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { RESOURCE, SCOPES, type Site, startSite, type TestClient, WEB } from '../integration/consent-site.ts'
import { inspectPage, openChromium } from './chromium.ts'
import { PASSWORD, type Person } from './person.ts'

const MAYA = 'maya@northwind.test'
/** As long as a client's name may be, and without a place to break it. */
const LONG_NAME = `Copilot${'x'.repeat(60)} for Support`

let chromium: Browser
let site: Site
let maya: Person

beforeAll(async () => {
  ;[chromium, site] = await Promise.all([openChromium(), startSite({ mayAdopt: true, deviceGrant: true })])
  maya = await site.person(MAYA, 'Maya')
}, 60_000)

afterAll(async () => {
  await chromium?.close()
  await site?.[Symbol.asyncDispose]()
})

/** Does something that leads back to a client on the web, where nobody listens; gives the address. */
async function goBack(page: Page, act: () => Promise<void>): Promise<URL> {
  const [request] = await Promise.all([
    page.waitForRequest(asked => asked.url().startsWith(`${WEB}?`)),
    act(),
  ])
  return new URL(request.url())
}

const isFocused = (field: Locator) => field.evaluate(element => element.matches(':focus'))

/** Goes on by the tabulator until a field has the focus. */
async function tabTo(page: Page, field: Locator): Promise<void> {
  for (let steps = 0; steps < 60; steps++) {
    if (await isFocused(field)) return
    await page.keyboard.press('Tab')
  }
  throw new Error(`${field} is not reached`)
}

async function typeIn(page: Page, field: Locator, text: string): Promise<void> {
  await tabTo(page, field)
  await page.keyboard.type(text)
}

test('by keyboard alone and without a script: less than was asked, for one customer', async () => {
  const client = await site.agent('desk-bot')
  const context = await chromium.newContext({ javaScriptEnabled: false })
  const page = await context.newPage()
  await page.goto(site.ask(client).href)
  await page.getByText('to decide what desk-bot may do for you').waitFor()
  await typeIn(page, page.getByLabel('Email address'), MAYA)
  await typeIn(page, page.getByLabel('Password'), PASSWORD)
  await page.keyboard.press('Enter')
  await page.getByRole('heading', { name: 'Let desk-bot act for you?' }).waitFor()
  await tabTo(page, page.getByLabel('Read invoices'))
  await page.keyboard.press('Space')
  await tabTo(page, page.getByLabel('Everything that I can reach'))
  await page.keyboard.press('ArrowDown')
  await typeIn(page, page.getByLabel('Name or id'), 'acme')
  await page.keyboard.press('Enter')
  await page.getByText('Found for “acme”').waitFor()
  await tabTo(page, page.getByLabel('Acme Traders'))
  await page.keyboard.press('Space')
  await tabTo(page, page.getByRole('button', { name: 'Allow' }))
  const back = await goBack(page, () => page.keyboard.press('Enter'))
  expect(await site.redeem(client, back)).toMatchObject({ status: 200, scope: 'tickets:read' })
  const { items } = await site.api.grants.list({ agent: client.id })
  expect(items).toMatchObject([{ scopes: ['tickets:read'], resources: ['customer/acme'] }])
  await context.close()
})

test('a no weighs as much as a yes, and goes back to the client', async () => {
  const context = await signedIn()
  const page = await context.newPage()
  await page.goto(site.ask(await site.agent('asker')).href)
  const [deny, allow] = await Promise.all(
    ['Deny', 'Allow'].map(async name => {
      const button = page.getByRole('button', { name })
      const look = await button.evaluate(element => {
        const { color, backgroundColor, fontWeight, borderColor } = getComputedStyle(element)
        return { color, backgroundColor, fontWeight, borderColor }
      })
      const { width, height } = (await button.boundingBox()) ?? {}
      return { ...look, width, height }
    }),
  )
  expect(deny).toEqual(allow)
  expect(deny?.height).toBeGreaterThanOrEqual(44)
  const back = await goBack(page, () => page.getByRole('button', { name: 'Deny' }).click())
  expect(back.searchParams.get('error')).toBe('access_denied')
  await context.close()
})

test('“not you?” signs out, and the next person answers for themself', async () => {
  await site.person('tom@northwind.test', 'Tom')
  const context = await signedIn()
  const page = await context.newPage()
  await page.goto(site.ask(await site.agent('shared-desk')).href)
  await page.getByText(`Maya (${MAYA})`).waitFor()
  await page.getByRole('button', { name: 'Not you?' }).click()
  await page.getByLabel('Email address').fill('tom@northwind.test')
  await page.getByLabel('Password').fill(PASSWORD)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByText('Tom (tom@northwind.test)').waitFor()
  await goBack(page, () => page.getByRole('button', { name: 'Allow' }).click())
  const { items } = await site.api.grants.list({ agent: 'shared-desk' })
  const tom = await site.api.people.get({ id: 'tom@northwind.test' })
  expect(items.map(({ person }) => person)).toEqual([tom.id])
  await context.close()
})

/** Maya's browser, already signed in. */
async function signedIn(): Promise<BrowserContext> {
  const context = await chromium.newContext()
  const page = await context.newPage()
  await page.goto(`${site.url}/sign-in`)
  await page.getByLabel('Email address').fill(MAYA)
  await page.getByLabel('Password').fill(PASSWORD)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.waitForURL(`${site.url}/account`)
  await page.close()
  return context
}

test('whatever the page asks, everybody can read and answer it', async () => {
  const context = await signedIn()
  const page = await context.newPage()
  const look = async (name: string) => expect(await inspectPage(page, name), name).toEqual([])
  const ask = (client: TestClient, scope: string[] = SCOPES) => page.goto(site.ask(client, { scope }).href)
  const client = await site.agent('support-bot')

  await ask(client)
  await look('consent')
  await page.getByLabel('Only what I choose').check()
  await page.getByLabel('Name or id').fill('nobody')
  await page.getByRole('button', { name: 'Search' }).click()
  await page.getByText('Nothing of yours is called “nobody”.').waitFor()
  await look('consent-found-nothing')
  await page.getByLabel('Everything that I can reach').check()
  for (const box of await page.getByRole('checkbox').all()) await box.uncheck()
  await page.getByRole('button', { name: 'Allow' }).click()
  await page.getByRole('alert').waitFor()
  await look('consent-nothing-ticked')

  await maya.decide(site.ask(client, { scope: ['tickets:read'] }), { resource: ['customer/acme'] })
  await ask(client)
  await page.getByText('It may already do this').waitFor()
  await look('consent-more')
  await page.getByRole('button', { name: 'Review all of it' }).click()
  await page.getByLabel(/^As before/).waitFor()
  await look('consent-review')

  await ask(await site.register(LONG_NAME, `https://${'long-'.repeat(11)}.example.test/callback`))
  await page.getByText('Nobody has checked who is behind it').waitFor()
  await look('consent-unverified')
  await ask(await site.register('Desk', 'http://127.0.0.1:5000/callback'))
  await page.getByText('Allow it only if you have just started it yourself.').waitFor()
  await look('consent-on-this-device')
  await ask(await site.agent('whole-bot', { allOrNothing: true }))
  await page.getByText('It cannot do with less').waitFor()
  await look('consent-whole')
  await ask(await site.agent('narrow-bot', { ceiling: ['tickets:write'] }), ['invoices:read'])
  await page.getByRole('heading', { name: 'This cannot go on' }).waitFor()
  await look('consent-stopped')
  await context.close()
})

test('what is answered for another device, or for an agent that waits, can be read by everybody', async () => {
  const context = await signedIn()
  const page = await context.newPage()
  const look = async (name: string) => expect(await inspectPage(page, name), name).toEqual([])
  const begin = async (path: string, body: Record<string, string>) => {
    const form = new URLSearchParams({ resource: RESOURCE, scope: SCOPES.join(' '), ...body })
    const response = await fetch(site.url + path, { method: 'POST', body: form })
    expect(response.status).toBe(200)
    return (await response.json()) as Record<string, string>
  }
  const { id } = await site.register('Terminal')
  const { user_code } = await begin('/device_authorization', { client_id: id })
  await page.goto(`${site.url}/device`)
  await look('device')
  await page.getByRole('textbox').fill('BBBB-BBBB')
  await page.keyboard.press('Enter')
  await page.getByRole('alert').waitFor()
  await look('device-unknown')
  await page.getByRole('textbox').fill(user_code ?? '')
  await page.keyboard.press('Enter')
  await page.getByText('waits on another device').waitFor()
  await look('consent-other-device')
  await page.getByRole('button', { name: 'Allow' }).click()
  await page.getByText('That is answered').waitFor()
  await look('answered')

  const { id: client_id, secret = '' } = await site.agent('night-bot')
  const message = 'Close the books for October'
  await begin('/bc-authorize', {
    client_id,
    client_secret: secret,
    login_hint: MAYA,
    binding_message: message,
  })
  await page.goto(`${site.url}/agents`)
  await page.getByText(message).waitFor()
  await look('agents-asked')
  await page
    .getByRole('region', { name: /night-bot/ })
    .getByRole('link')
    .click()
  await page.getByRole('heading', { name: /night-bot/ }).waitFor()
  await look('consent-asked')
  await context.close()
})

test('what acts for somebody, and what went wrong, can be read by everybody', async () => {
  const context = await signedIn()
  const page = await context.newPage()
  const look = async (name: string) => expect(await inspectPage(page, name), name).toEqual([])
  await maya.decide(site.ask(await site.agent('helper')), { scope: SCOPES, resource: ['customer/acme'] })
  await page.goto(`${site.url}/agents`)
  const helper = page.getByRole('region', { name: 'helper' })
  await look('agents')
  await helper.getByRole('link', { name: 'What it did' }).click()
  await page.getByRole('heading', { name: 'What helper did for you' }).waitFor()
  await look('agent-did')
  await page.getByRole('link', { name: 'Stop it' }).click()
  await page.getByRole('heading', { name: 'Stop helper?' }).waitFor()
  await look('agent-stop')
  await page.getByRole('button', { name: 'Stop' }).click()
  await page.getByText('helper is stopped.').waitFor()
  await look('agents-stopped')

  await page.goto(`${site.url}/authorize?client_id=nobody`)
  await page.getByText('Reference').waitFor()
  await look('refused-request')
  await page.goto(`${site.url}/interaction/other`)
  await page.getByText('This request has ended.').waitFor()
  await look('request-ended')
  await context.close()
})
