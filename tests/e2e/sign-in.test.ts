import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openPeopleSite, PASSWORD, type PeopleSite } from '../integration/people-site.ts'
import { inspectPage, openChromium } from './chromium.ts'

const MAYA = 'maya@northwind.test'

let chromium: Browser
let site: PeopleSite

beforeAll(async () => {
  ;[chromium, site] = await Promise.all([openChromium(), openPeopleSite()])
  await site.invited(MAYA, 'Maya')
})

afterAll(async () => {
  await chromium?.close()
  await site?.close()
})

test('somebody signs in with a password, by keyboard alone, and out again', async () => {
  const page = await chromium.newPage()
  await page.goto(`${site.url}/sign-in`)
  expect(await inspectPage(page, 'sign-in')).toEqual([])
  await page.keyboard.press('Tab')
  await page.keyboard.type(MAYA)
  await page.keyboard.press('Tab')
  await page.keyboard.type(PASSWORD)
  await page.keyboard.press('Enter')
  await page.waitForURL(`${site.url}/account`)
  expect(await inspectPage(page, 'account')).toEqual([])
  await page.getByRole('button', { name: 'Sign out' }).click()
  await page.waitForURL(`${site.url}/sign-in`)
  await page.close()
})
