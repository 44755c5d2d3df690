import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Person } from '../e2e/person.ts'
import { createBrowser, type Shown } from './browser.ts'
import { type Site, startSite, type TestClient } from './consent-site.ts'

let site: Site
let maya: Person

beforeAll(async () => {
  site = await startSite()
  maya = await site.person('maya@northwind.test', 'Maya')
}, 60_000)

afterAll(() => site?.[Symbol.asyncDispose]())

async function letAct(
  client: TestClient,
  scope: string[],
  more: { resource?: string[]; duration?: number } = {},
) {
  const back = await maya.decide(site.ask(client, { scope: [...scope, 'offline_access'] }), {
    scope,
    ...more,
  })
  return site.redeem(client, back)
}

/** What a page says, without its markup. */
const said = ({ text }: Shown) =>
  text
    .replace(/<style[\s\S]*?<\/style>/, '')
    .replace(/<[^>]+>/g, ' ')
    .replace(/\s+/g, ' ')
const follow = (page: Shown, text: RegExp) => {
  const [, href = ''] = [...page.text.matchAll(/<a[^>]*href="([^"]+)"[^>]*>([^<]*(?:<small>)?[^<]*)/g)].find(
    ([, , label = '']) => text.test(label),
  ) ?? ['', '']
  return maya.browser.open(href.replaceAll('&amp;', '&'))
}

test('without a session there is nothing to see', async () => {
  const browser = createBrowser(site.url)
  for (const path of ['/agents', '/agents/stop', '/agents/agt_x', '/agents/agt_x/stop'])
    expect((await browser.open(path)).url, path).toBe(`${site.url}/sign-in`)
})

test('what acts for a person is said in words, with what it may do, for which, until when, and when it was used', async () => {
  expect(said(await maya.browser.open('/agents'))).toContain('No agent acts for you.')
  const desk = await site.agent('desk-bot')
  await letAct(desk, ['tickets:read', 'invoices:refund'], { resource: ['customer/acme'] })
  const other = await site.agent('other-bot')
  await maya.decide(site.ask(other, { scope: ['tickets:read'] }))
  const page = await follow(await maya.browser.open('/account'), /Your agents/)
  const text = said(page)
  for (const part of ['desk-bot', 'Olga answers for it.', 'At desk', 'Read tickets', 'For Acme Traders'])
    expect(text).toContain(part)
  expect(text).toMatch(/Refund invoices, until \w+ \d+, \d+, .* UTC only/)
  expect(text).toMatch(/desk-bot.*Last used .*other-bot.*For everything that you can reach.*Never used\./)
  expect(page.text).not.toMatch(/<script|javascript:|\bon\w+=|style="/)
  expect(Buffer.byteLength(page.text)).toBeLessThan(10_000)
})

test('what she does not hold any more is said', async () => {
  const [role] = (await site.api.assignments.list({ principal: 'user:maya@northwind.test' })).items
  await site.api.assignments.remove({ id: role?.id ?? '' })
  const text = said(await maya.browser.open('/agents'))
  expect(text).toContain('Nothing at the moment')
  expect(text).toContain('You gave it this too, and do not hold it any more: Read tickets')
  await site.api.assignments.create({ principal: 'user:maya@northwind.test', role: 'desk' })
})

test('one is stopped after a second look, and its tokens with it; looking stops nothing', async () => {
  const client = await site.agent('stopped-bot')
  const token = await letAct(client, ['tickets:read'])
  const list = await maya.browser.open('/agents')
  const asked = await maya.browser.open(`/agents/${client.id}/stop`)
  expect(said(asked)).toContain('Stop stopped-bot?')
  await maya.browser.open(`/agents/${client.id}/stop`)
  expect((await site.refresh(client, token.refresh_token ?? '')).status).toBe(200)
  const fields = maya.browser.fieldsOf(asked, 'stop')
  for (const [form, headers, status] of [
    [new URLSearchParams(), {}, 403],
    [fields, { origin: 'https://evil.test' }, 403],
    [fields, { 'sec-fetch-site': 'cross-site' }, 403],
    [new URLSearchParams({ form: fields.get('form') ?? '', grant: 'gnt_other' }), {}, 403],
  ] as const)
    expect((await maya.browser.post(asked.url, form, headers)).status).toBe(status)
  const done = await maya.browser.submit(asked, {}, 'stop')
  expect([done.url, done.status]).toEqual([`${site.url}/agents?stopped=${client.id}`, 200])
  expect(said(done)).toContain('stopped-bot is stopped.')
  expect(said(list)).toContain('stopped-bot')
  const [grant] = (await site.api.grants.list({ agent: client.id })).items
  expect(grant).toMatchObject({ status: 'revoked' })
  expect(await site.refresh(client, token.refresh_token ?? '')).toMatchObject({ error: 'invalid_grant' })
  const { items } = await site.api.audit.changes({ type: 'grant.revoked', target: grant?.id ?? '' })
  expect(items[0]?.detail).toMatchObject({ reason: 'stopped by the person' })
  // A second click finds nothing there.
  expect((await maya.browser.submit(asked, {}, 'stop')).status).toBe(404)
})

test('where it acts at several servers, it is stopped at one', async () => {
  const client = await site.agent('wide-bot')
  await letAct(client, ['tickets:read'])
  await site.api.grants.create({ agent: client.id, person: 'maya@northwind.test', scopes: ['tickets:*'] })
  const list = await maya.browser.open('/agents')
  expect(said(list)).toContain('Given by an administrator')
  const [grant] = (await site.api.grants.list({ agent: client.id })).items.filter(
    ({ server }) => server !== null,
  )
  const asked = await maya.browser.open(`/agents/${client.id}/stop?grant=${grant?.id}`)
  expect(said(asked)).toContain('Stop wide-bot at desk?')
  await maya.browser.submit(asked, {}, 'stop')
  const left = (await site.api.grants.list({ agent: client.id, status: 'live' })).items
  expect(left).toMatchObject([{ source: 'administrator' }])
})

test('nobody sees or stops what acts for somebody else', async () => {
  const jon = await site.person('jon@northwind.test', 'Jon')
  const { id } = await site.api.agents.get({ id: 'other-bot' })
  expect(said(await jon.browser.open('/agents'))).not.toContain('other-bot')
  for (const path of [`/agents/${id}`, `/agents/${id}/stop`])
    expect((await jon.browser.open(path)).status).toBe(404)
  const all = await jon.browser.open('/agents/stop')
  // Her form in his browser, and his own against her agent.
  const hers = await maya.browser.open(`/agents/${id}/stop`)
  expect((await jon.browser.post('/agents/stop', maya.browser.fieldsOf(hers, 'stop'))).status).toBe(403)
  expect((await jon.browser.post(`/agents/${id}/stop`, jon.browser.fieldsOf(all, 'stop'))).status).toBe(404)
  expect((await site.api.grants.list({ agent: id, status: 'live' })).items).toHaveLength(1)
})

test('all are stopped at once', async () => {
  const asked = await follow(await maya.browser.open('/agents'), /Stop all of them/)
  expect(said(asked)).toContain('Stop all of your agents?')
  const done = await maya.browser.submit(asked, {}, 'stop')
  expect(said(done)).toContain('All of them are stopped. No agent acts for you.')
  const live = await site.api.grants.list({ person: 'maya@northwind.test', status: 'live' })
  expect(live.items).toEqual([])
})
