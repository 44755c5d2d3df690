import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, expect, test } from 'vitest'
import { freeRedirect, personWith } from '../e2e/person.ts'
import { createBrowser } from './browser.ts'
import { openStrictStage } from './strict-client.ts'

/** The page on which a person answers, as a page: what it shows, who may send its form, and how often. */

const { stage, strict, maya, grants } = await openStrictStage()
await stage.api.resourceTypes.create({ slug: 'customer' })
await stage.api.resources.put({ type: 'customer', id: 'acme' })
afterAll(() => stage[Symbol.asyncDispose]())

test('the page: who, what, with which risk; small, in nobody’s frame, and looking changes nothing', async () => {
  const asked = await strict.begin('invoices:read invoices:refund')
  const before = (await grants()).length
  const page = await maya.look(asked.url)
  for (const text of [
    'Maya (maya@northwind.test), Northwind',
    '“Strict”',
    'a program on this device',
    'customer/acme',
  ])
    expect(page.text).toContain(text)
  expect(page.text).toMatch(/value="invoices:read" checked/)
  expect(page.text).not.toMatch(/value="invoices:refund" checked/)
  expect(page.text).not.toContain('<script')
  expect(Buffer.byteLength(page.text)).toBeLessThan(10_000)
  const origin = new URL(asked.redirect).origin
  expect(page.headers.get('content-security-policy')).toContain(`form-action 'self' ${origin};`)
  const [again, third] = await Promise.all([maya.browser.open(page.url), maya.browser.open(page.url)])
  expect([again.status, third.status, (await grants()).length]).toEqual([200, 200, before])
  expect(await maya.answer(page, { scope: [] })).toMatchObject({ status: 400 })
  expect(await maya.answer(page, { scope: ['files:write'] })).toMatchObject({ status: 400 })
  expect(await maya.answer(page, { resource: ['customer/elsewhere'] })).toMatchObject({ status: 400 })
  expect((await grants()).length).toBe(before)
})

test('names of clients are text, whatever they hold', async () => {
  const redirect = await freeRedirect()
  const response = await fetch(`${stage.url}/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ client_name: '<img src=x onerror=alert(1)>', redirect_uris: [redirect] }),
  })
  const { client_id } = (await response.json()) as { client_id: string }
  const asked = await strict.begin('invoices:read', { client_id, redirect })
  const page = await maya.look(asked.url)
  expect(page.text).toContain('&lt;img')
  expect(page.text).not.toContain('<img')
})

test('a form is taken once, from the browser that it was made for', async () => {
  const asked = await strict.begin('invoices:read')
  const page = await maya.look(asked.url)
  const fields = maya.browser.fieldsOf(page)
  fields.delete('form')
  fields.set('action', 'allow')
  expect(await maya.browser.post(page.url, fields)).toMatchObject({ status: 403 })
  await stage.api.people.create({ email: 'jon@northwind.test', name: 'Jon' })
  const jon = await stage.signedUp('jon@northwind.test')
  await jon.browser.open('/sign-in')
  expect((await jon.browser.post(page.url, maya.browser.fieldsOf(page))).status).toBe(400)
  const before = (await grants()).length
  const both = await Promise.all([maya.answer(page), maya.answer(page)])
  expect(both.some(({ leaves }) => leaves !== null)).toBe(true)
  expect((await grants()).length).toBe(before + 1)
  expect(await maya.answer(page)).toMatchObject({ leaves: null, status: 400 })
})

test('a client may want the person to sign in anew', async () => {
  // A request has the second in which it was made: who signed in within the same one has done so anew.
  await sleep(1000)
  const asked = await strict.begin('invoices:read')
  asked.url.searchParams.set('prompt', 'login')
  const page = await maya.browser.open(asked.url)
  expect(page.text).toContain('name="password"')
  const back = await maya.decide(page.url)
  expect(await strict.token(strict.codeForm(asked, back))).toMatchObject({ status: 200 })
})

test('who signs out has signed out of requests too', async () => {
  const browser = createBrowser(stage.url)
  const person = personWith(browser, 'maya@northwind.test')
  const first = await strict.begin('invoices:read')
  const page = await person.look(first.url)
  const fields = new URLSearchParams({ action: 'sign-out', form: browser.fieldsOf(page).get('form') ?? '' })
  const after = await browser.post(page.url, fields)
  expect(after.text).toContain('name="password"')
  const second = await strict.begin('invoices:read')
  expect((await browser.open(second.url)).text).toContain('name="password"')
})

test('a person gives only what she holds today', async () => {
  const kim = await stage.api.people.create({ email: 'kim@northwind.test', name: 'Kim' })
  await stage.api.assignments.create({ principal: kim.id, role: 'reader' })
  const person = await stage.signedUp('kim@northwind.test')
  const asked = await strict.begin('invoices:read invoices:refund')
  const page = await person.look(asked.url)
  expect(page.text).not.toContain('invoices:refund')
  const answer = await strict.token(
    strict.codeForm(
      asked,
      (await person.answer(page, { scope: ['invoices:read', 'invoices:refund'] })).leaves as URL,
    ),
  )
  expect(answer).toMatchObject({ scope: 'invoices:read' })
  const nothing = await strict.begin('tickets:read')
  expect((await person.look(nothing.url)).status).toBe(403)
})
