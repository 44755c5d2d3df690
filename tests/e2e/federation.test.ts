import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { CLIENT, type OidcPartner, openOidcPartner, SECRET } from '../integration/federation/oidc-partner.ts'
import { openSamlPartner, type SamlPartner } from '../integration/federation/saml-partner.ts'
import { openPeopleSite, type PeopleSite } from '../integration/people-site.ts'
import { inspectPage, openChromium } from './chromium.ts'

let chromium: Browser
let site: PeopleSite
let oidc: OidcPartner
let saml: SamlPartner

beforeAll(async () => {
  ;[chromium, site, oidc, saml] = await Promise.all([
    openChromium(),
    openPeopleSite(),
    openOidcPartner(),
    openSamlPartner(),
  ])
  const okta = await site.api.identityProviders.create({
    ...{ name: 'okta', title: 'Okta of Northwind', secret: SECRET },
    oidc: { issuer: oidc.issuer, clientId: CLIENT },
  })
  oidc.addClient({ callback: site.url + okta.paths['callback'], returnTo: `${site.url}/sign-in` })
  const adfs = await site.api.identityProviders.create({
    ...{ name: 'adfs', title: 'ADFS of Southwind', provisions: true },
    saml: {
      ...{ entityId: saml.entityId, ssoUrl: saml.ssoUrl, logoutUrl: saml.logoutUrl },
      certificates: [saml.keys.certificate],
    },
  })
  saml.sendTo(site.url + adfs.paths['assertionConsumer'])
  saml.takeLogouts(
    adfs.requestCertificate ?? '',
    site.url + adfs.paths['logout'],
    site.url + adfs.paths['metadata'],
  )
  for (const [domain, provider] of [
    ['northwind.test', 'okta'],
    ['southwind.test', 'adfs'],
  ] as const) {
    await site.api.domains.claim({ domain, provider })
    await site.api.domains.trust({ domain })
  }
})

afterAll(async () => {
  await chromium?.close()
  await site?.close()
  await oidc?.close()
  await saml?.close()
})

async function leave(page: Page, email: string): Promise<void> {
  await page.goto(`${site.url}/sign-in`)
  await page.getByLabel('Email address').fill(email)
  await page.getByRole('button', { name: 'Use your organization’s sign-in' }).click()
}

const atAccount = (page: Page) => page.waitForURL(url => url.pathname === '/account')

test('OpenID Connect: to the provider and back, without a script of ours, and out on both sides', async () => {
  await site.api.people.create({ email: 'maya@northwind.test', name: 'Maya' })
  oidc.know('sub-maya', { email: 'maya@northwind.test', email_verified: true, name: 'Maya' })
  const context = await chromium.newContext({ javaScriptEnabled: false })
  const page = await context.newPage()
  await leave(page, 'maya@northwind.test')
  await atAccount(page)
  await page.getByText('maya@northwind.test').first().waitFor()
  await page.getByRole('button', { name: 'Sign out', exact: true }).click()
  // The provider asks whether to sign out there as well.
  await page.waitForURL(url => url.origin === oidc.issuer)
  await page.goto(`${site.url}/account`)
  await page.waitForURL(`${site.url}/sign-in`)
  await context.close()
})

test('SAML: the answer comes from another site by a form, and finds the browser that asked', async () => {
  saml.know({
    nameId: 'lea-1',
    sessionIndex: 's-1',
    attributes: { email: 'lea@southwind.test', name: 'Lea Ek' },
  })
  const context = await chromium.newContext()
  const page = await context.newPage()
  await leave(page, 'lea@southwind.test')
  await atAccount(page)
  await page.getByText('Lea Ek').first().waitFor()
  await page.getByRole('button', { name: 'Sign out', exact: true }).click()
  await page.waitForURL(`${site.url}/sign-in`)
  expect(saml.loggedOut).toContain('lea-1')
  await context.close()
})

test('the pages in between can be read by everybody', async () => {
  const context = await chromium.newContext()
  const page = await context.newPage()
  await page.goto(`${site.url}/sign-in`)
  expect(await inspectPage(page, 'sign-in-elsewhere')).toEqual([])
  // The page that leads away is held, to be looked at.
  await page.route('**/sign-in', async route => {
    const response = await route.fetch()
    const { refresh: _, ...headers } = response.headers()
    await route.fulfill({ response, headers })
  })
  await leave(page, 'maya@northwind.test')
  await page.getByRole('link', { name: 'Go on' }).waitFor()
  expect(await inspectPage(page, 'leave')).toEqual([])
  saml.know({ nameId: 'nobody', attributes: { email: 'nobody@nowhere.test' } })
  await page.unrouteAll()
  await leave(page, 'somebody@southwind.test')
  await page.getByRole('heading', { name: 'Signing in did not work' }).waitFor()
  expect(await inspectPage(page, 'refused-elsewhere')).toEqual([])
  await context.close()
})
